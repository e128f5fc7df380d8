// In place of NCCL between processes of one machine: what is sent passes through shared memory, one
// message of a communicator at a time. Streams go on whenever somebody asks for one of their
// events.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/check.h"
#include "pipeline/comm/nccl_calls.h"

namespace lamina::pipeline {

class SharedMemoryNccl final : public NcclCalls {
 public:
  explicit SharedMemoryNccl(int rank) : rank_(rank) {}

  std::string gpu() const override { return std::to_string(rank_); }
  void enter() override {}

  std::byte* allocate_host(std::size_t bytes) override { return allocate(bytes); }
  void release_host(std::byte* memory) noexcept override { release(memory); }
  std::byte* allocate(std::size_t bytes) override {
    const std::scoped_lock lock(mutex_);
    std::vector<std::byte> memory(bytes);
    std::byte* address = memory.data();
    memory_.emplace(address, std::move(memory));
    return address;
  }
  void release(std::byte* memory) noexcept override {
    const std::scoped_lock lock(mutex_);
    memory_.erase(memory);
  }

  Handle make_stream() override {
    const std::scoped_lock lock(mutex_);
    return &streams_.emplace_back();
  }
  void release_stream(Handle) noexcept override {}
  void copy_in(Handle stream, std::byte* to, const std::byte* from, std::size_t bytes) override {
    queue(stream, [=] { return std::memcpy(to, from, bytes) == to; });
  }
  void copy_out(Handle stream, std::byte* to, const std::byte* from, std::size_t bytes) override {
    copy_in(stream, to, from, bytes);
  }

  void send(Handle stream, Handle communicator, const std::byte* from, std::size_t bytes) override {
    lamina::check(bytes <= kMost, "a message of {} bytes", bytes);
    auto* wire = static_cast<Wire*>(communicator);
    queue(stream, [=] {
      if (wire->state != kFree) return false;
      wire->bytes = bytes;
      std::memcpy(wire->data, from, bytes);
      wire->state = kSent;
      return true;
    });
    queue(stream, [=] {
      if (wire->state != kTaken) return false;
      wire->state = kFree;
      return true;
    });
  }
  void receive(Handle stream, Handle communicator, std::byte* to, std::size_t bytes) override {
    auto* wire = static_cast<Wire*>(communicator);
    queue(stream, [=] {
      if (wire->state != kSent) return false;
      lamina::check(wire->bytes == bytes, "{} bytes meet a receive of {}", wire->bytes, bytes);
      std::memcpy(to, wire->data, bytes);
      wire->state = kTaken;
      return true;
    });
  }

  Handle record(Handle stream) override {
    const std::scoped_lock lock(mutex_);
    Event* event = &events_.emplace_back(Event{static_cast<Stream*>(stream), false});
    event->stream->push_back([event] { return event->happened = true; });
    return event;
  }
  bool is_done(Handle event) override {
    const std::scoped_lock lock(mutex_);
    const auto* asked = static_cast<Event*>(event);
    Stream& stream = *asked->stream;
    while (!stream.empty() && stream.front()()) stream.pop_front();
    return asked->happened;
  }
  // One that has not happened goes with its stream, which would still set it.
  void release_event(Handle event) noexcept override {
    const std::scoped_lock lock(mutex_);
    events_.remove_if([&](const Event& each) { return &each == event && each.happened; });
  }

  std::string make_id() override {
    return "/lamina-test-" + std::to_string(::getpid()) + "-" + std::to_string(ids_++);
  }
  Handle connect(const std::string& id, bool sends) override {
    const int file = ::shm_open(id.c_str(), O_CREAT | O_RDWR, 0600);
    lamina::check(file >= 0 && ::ftruncate(file, sizeof(Wire)) == 0, "no shared memory");
    void* memory = ::mmap(nullptr, sizeof(Wire), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    lamina::check(memory != MAP_FAILED, "no shared memory");
    auto* wire = static_cast<Wire*>(memory);
    ++wire->ends;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (wire->ends < 2) {
      lamina::check(std::chrono::steady_clock::now() < until, "the other rank does not connect");
      ::usleep(100);
    }
    if (sends) ::shm_unlink(id.c_str());
    return wire;
  }
  void check(Handle) override {}
  void disconnect(Handle communicator, bool) noexcept override {
    ::munmap(communicator, sizeof(Wire));
  }

 private:
  static constexpr std::size_t kMost = 1 << 20;
  enum State { kFree, kSent, kTaken };
  // Begins as zeros.
  struct Wire {
    std::atomic<int> ends;
    std::atomic<int> state;
    std::size_t bytes;
    std::byte data[kMost];
  };
  using Stream = std::deque<std::function<bool()>>;  // each says whether it is done
  struct Event {
    Stream* stream = nullptr;
    bool happened = false;
  };

  void queue(Handle stream, std::function<bool()> work) {
    const std::scoped_lock lock(mutex_);
    static_cast<Stream*>(stream)->push_back(std::move(work));
  }

  int rank_;
  int ids_ = 0;
  std::mutex mutex_;
  std::map<const std::byte*, std::vector<std::byte>> memory_;
  std::list<Stream> streams_;
  std::list<Event> events_;
};

}  // namespace lamina::pipeline
