// In place of NCCL and GPUs, for tests: every stream is a thread that is now and then late.
// Communicators hand over what is sent and received in the order of the calls, and like NCCL's the
// first transfer waits for the other rank inside the call, later ones on their stream. Memory of
// the GPU is not that of the host: each is told from the other, and both begin with what nobody
// wrote.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "pipeline/comm/nccl_calls.h"

namespace lamina::pipeline::test {

// What the ranks of one emulation share.
class EmulatedLinks {
 public:
  explicit EmulatedLinks(double delay_ms = 0.0) : delay_ms_(delay_ms) {}

  double delay_ms() const { return delay_ms_; }
  // From now on all communicators are broken.
  void break_all() {
    const std::scoped_lock lock(mutex_);
    broken_ = true;
    changed_.notify_all();
  }
  // Transfers whose ends had different lengths; of NCCL undefined.
  int mismatches() const {
    const std::scoped_lock lock(mutex_);
    return mismatches_;
  }

 private:
  friend class EmulatedNccl;
  struct End {
    bool joined = false;
    bool used = false;
    bool aborted = false;
  };
  struct Sent {
    const std::byte* from = nullptr;
    std::size_t bytes = 0;
    bool taken = false;
  };
  struct Communicator {
    End sender, receiver;
    std::deque<std::shared_ptr<Sent>> waiting;
  };

  double delay_ms_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Communicator> communicators_;
  int ids_ = 0;
  int mismatches_ = 0;
  bool broken_ = false;
};

class EmulatedNccl final : public NcclCalls {
 public:
  EmulatedNccl(EmulatedLinks& links, int rank, std::string gpu)
      : links_(links), rank_(rank), gpu_(std::move(gpu)) {}

  // Waits until this rank's GPU has nothing left to do, as freeing memory does.
  void synchronize() {
    for (Stream& stream : streams_) {
      std::unique_lock lock(stream.mutex);
      stream.changed.wait(lock, [&] { return stream.queue.empty() && !stream.busy; });
    }
  }
  // From now on the rank's GPU does not answer to threads that enter.
  void lose_gpu() { lost_ = true; }
  // The call of connect() with this number, from 0, fails.
  void fail_connection(std::size_t number) { failing_ = number; }
  // Memory, streams, events and communicators that were not released.
  std::size_t left_over() const {
    return host_.size() + memory_.size() + streams_.size() + events_.size() + ends_.size() -
           disconnected_;
  }

  std::string gpu() const override { return gpu_; }
  void enter() override {
    if (lost_) fail(ErrorCode::kIo, "cudaSetDevice: the GPU is lost");
    const std::scoped_lock lock(mutex_);
    threads_.insert(std::this_thread::get_id());
  }

  std::byte* allocate_host(std::size_t bytes) override { return take(host_, bytes); }
  void release_host(std::byte* memory) noexcept override { give_back(host_, memory); }
  std::byte* allocate(std::size_t bytes) override { return take(memory_, bytes); }
  void release(std::byte* memory) noexcept override { give_back(memory_, memory); }

  Handle make_stream() override {
    check_entered();
    Stream& stream = streams_.emplace_back();
    stream.rng = Rng(17).split(static_cast<std::uint64_t>(rank_) * 100 + streams_.size());
    stream.thread = std::jthread([this, &stream](std::stop_token stop) { work(stream, stop); });
    return &stream;
  }
  void release_stream(Handle handle) noexcept override {
    streams_.remove_if([&](Stream& stream) {
      if (&stream != handle) return false;
      {
        const std::scoped_lock lock(stream.mutex);
        stream.thread.request_stop();
        stream.changed.notify_all();
      }
      stream.thread.join();
      return true;
    });
  }

  void copy_in(Handle stream, std::byte* to, const std::byte* from, std::size_t bytes) override {
    expect(is_of(memory_, to, bytes) && is_of(host_, from, bytes), "copy_in: not from host to GPU");
    queue(stream, [=] { std::memcpy(to, from, bytes); });
  }
  void copy_out(Handle stream, std::byte* to, const std::byte* from, std::size_t bytes) override {
    expect(is_of(host_, to, bytes) && is_of(memory_, from, bytes),
           "copy_out: not from GPU to host");
    queue(stream, [=] { std::memcpy(to, from, bytes); });
  }
  void send(Handle stream, Handle communicator, const std::byte* from, std::size_t bytes) override {
    expect(is_of(memory_, from, bytes), "what is sent is not on the GPU");
    auto& own = *static_cast<Ends*>(communicator);
    expect(own.sends, "this end receives");
    first_use(own);
    queue(stream, [this, &own, from, bytes] {
      std::unique_lock lock(links_.mutex_);
      if (own.shared->sender.aborted) return;
      const auto sent = std::make_shared<EmulatedLinks::Sent>(from, bytes, false);
      auto& waiting = own.shared->waiting;
      waiting.push_back(sent);
      links_.changed_.notify_all();
      links_.changed_.wait(lock, [&] { return sent->taken || own.shared->sender.aborted; });
      std::erase(waiting, sent);
    });
  }
  void receive(Handle stream, Handle communicator, std::byte* to, std::size_t bytes) override {
    expect(is_of(memory_, to, bytes), "what is received does not go to the GPU");
    auto& own = *static_cast<Ends*>(communicator);
    expect(!own.sends, "this end sends");
    first_use(own);
    queue(stream, [this, &own, to, bytes] {
      std::unique_lock lock(links_.mutex_);
      auto& waiting = own.shared->waiting;
      links_.changed_.wait(lock, [&] { return !waiting.empty() || own.shared->receiver.aborted; });
      if (waiting.empty() || own.shared->receiver.aborted) return;
      if (waiting.front()->bytes != bytes) ++links_.mismatches_;
      std::memcpy(to, waiting.front()->from, std::min(bytes, waiting.front()->bytes));
      waiting.front()->taken = true;
      waiting.pop_front();
      links_.changed_.notify_all();
    });
  }

  Handle record(Handle stream) override {
    const auto happened = std::make_shared<std::atomic<bool>>(false);
    queue(stream, [happened] { *happened = true; });
    const std::scoped_lock lock(mutex_);
    return &events_.emplace_back(happened);
  }
  bool is_done(Handle event) override {
    check_entered();
    return **static_cast<Event*>(event);
  }
  void release_event(Handle event) noexcept override {
    const std::scoped_lock lock(mutex_);
    events_.remove_if([&](const Event& each) { return &each == event; });
  }

  std::string make_id() override {
    const std::scoped_lock lock(links_.mutex_);
    return "id" + std::to_string(++links_.ids_);
  }
  Handle connect(const std::string& id, bool sends) override {
    std::unique_lock lock(links_.mutex_);
    if (ends_.size() == failing_) fail(ErrorCode::kIo, "ncclCommInitRank: no memory");
    EmulatedLinks::Communicator& shared = links_.communicators_[id];
    (sends ? shared.sender : shared.receiver).joined = true;
    links_.changed_.notify_all();
    links_.changed_.wait(lock, [&] { return shared.sender.joined && shared.receiver.joined; });
    return &ends_.emplace_back(Ends{&shared, sends});
  }
  void check(Handle) override {
    const std::scoped_lock lock(links_.mutex_);
    if (links_.broken_) fail(ErrorCode::kIo, "NCCL: unhandled system error");
  }
  void disconnect(Handle communicator, bool abort) noexcept override {
    auto& own = *static_cast<Ends*>(communicator);
    const std::scoped_lock lock(links_.mutex_);
    ++disconnected_;
    expect(abort || own.shared->waiting.empty(), "a communicator goes while it is used");
    if (!abort) return;
    (own.sends ? own.shared->sender : own.shared->receiver).aborted = true;
    links_.changed_.notify_all();
  }

 private:
  using Event = std::shared_ptr<std::atomic<bool>>;
  using Memory = std::map<const std::byte*, std::vector<std::byte>>;
  struct Stream {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> queue;
    bool busy = false;
    Rng rng{0};
    std::jthread thread;
  };
  struct Ends {
    EmulatedLinks::Communicator* shared = nullptr;
    bool sends = false;
  };

  static void expect(bool holds, const char* what) { lamina::check(holds, "{}", what); }
  void check_entered() {
    const std::scoped_lock lock(mutex_);
    expect(threads_.contains(std::this_thread::get_id()), "a thread that did not enter");
  }

  std::byte* take(Memory& of, std::size_t bytes) {
    check_entered();
    const std::scoped_lock lock(mutex_);
    std::vector<std::byte> memory(bytes, std::byte{0xff});
    std::byte* address = memory.data();
    of.emplace(address, std::move(memory));
    return address;
  }
  void give_back(Memory& of, std::byte* address) {
    const std::scoped_lock lock(mutex_);
    expect(of.erase(address) == 1, "memory that is not there is released");
  }
  bool is_of(const Memory& all, const std::byte* from, std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    auto after = all.upper_bound(from);
    if (after == all.begin()) return false;
    const auto& [address, memory] = *--after;
    return from + bytes <= address + memory.size();
  }

  void queue(Handle handle, std::function<void()> work) {
    check_entered();
    auto& stream = *static_cast<Stream*>(handle);
    const std::scoped_lock lock(stream.mutex);
    stream.queue.push_back(std::move(work));
    stream.changed.notify_all();
  }

  void work(Stream& stream, const std::stop_token& stop) {
    std::unique_lock lock(stream.mutex);
    while (true) {
      stream.changed.wait(lock, [&] { return !stream.queue.empty() || stop.stop_requested(); });
      if (stream.queue.empty()) return;
      const std::function<void()> next = std::move(stream.queue.front());
      stream.queue.pop_front();
      stream.busy = true;
      lock.unlock();
      if (links_.delay_ms() > 0.0 && stream.rng.chance(0.3)) {
        std::this_thread::sleep_for(std::chrono::microseconds(
            static_cast<std::int64_t>(1e3 * stream.rng.uniform(0.0, links_.delay_ms()))));
      }
      next();
      lock.lock();
      stream.busy = false;
      stream.changed.notify_all();
    }
  }

  void first_use(Ends& own) {
    std::unique_lock lock(links_.mutex_);
    (own.sends ? own.shared->sender : own.shared->receiver).used = true;
    links_.changed_.notify_all();
    links_.changed_.wait(lock, [&] {
      const bool aborted = own.shared->sender.aborted || own.shared->receiver.aborted;
      return (own.shared->sender.used && own.shared->receiver.used) || aborted;
    });
  }

  EmulatedLinks& links_;
  int rank_;
  std::string gpu_;
  std::atomic<bool> lost_ = false;
  std::size_t failing_ = std::string::npos;
  std::size_t disconnected_ = 0;
  std::mutex mutex_;
  std::set<std::thread::id> threads_;
  Memory host_, memory_;
  std::list<Event> events_;
  std::list<Ends> ends_;
  std::list<Stream> streams_;
};

}  // namespace lamina::pipeline::test
