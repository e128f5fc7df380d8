// Messages between threads: the receiver copies from the memory of the sender.
#include "pipeline/comm/threads.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/rng.h"

namespace lamina::pipeline {
namespace {

using Clock = std::chrono::steady_clock;

struct Message {
  std::span<const std::byte> bytes;
  std::vector<std::byte> copy;  // of an eager one
  Clock::time_point ready;
  bool taken = false;
};

// From one rank to another, under one tag: message i is for receive i.
struct Channel {
  std::map<std::uint64_t, std::shared_ptr<Message>> waiting;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
};

struct ChannelKey {
  int from = 0;
  int to = 0;
  int tag = 0;
  auto operator<=>(const ChannelKey&) const = default;
};

// What the ranks share.
struct World {
  int ranks = 1;
  ThreadRanksOptions options;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<ChannelKey, Channel> channels;
  std::string failure;
  std::exception_ptr first;  // what failed
};

class ThreadTransport final : public Transport {
 public:
  ThreadTransport(World& world, int rank)
      : world_(world), rank_(rank), rng_(Rng(world.options.seed).split(rank)) {}

  int rank() const override { return rank_; }
  int ranks() const override { return world_.ranks; }
  int largest_tag() const override { return std::numeric_limits<int>::max(); }
  int sharing() const override { return ranks(); }
  int place_on_machine() const override { return rank_; }

  int send(int to, int tag, std::span<const std::byte> bytes) override {
    auto message = std::make_shared<Message>();
    message->bytes = bytes;
    message->ready = Clock::now();
    if (world_.options.delay_ms > 0.0) {
      message->ready += std::chrono::microseconds(
          static_cast<std::int64_t>(1e3 * rng_.uniform(0.0, world_.options.delay_ms)));
      if (rng_.chance(0.5)) {
        message->copy.assign(bytes.begin(), bytes.end());
        message->bytes = message->copy;
      }
    }
    const std::scoped_lock lock(world_.mutex);
    Channel& channel = world_.channels[{rank_, to, tag}];
    channel.waiting[channel.sent++] = message;
    world_.changed.notify_all();
    return number({true, {rank_, to, tag}, 0, {}, std::move(message)});
  }

  int receive(int from, int tag, std::span<std::byte> bytes) override {
    const std::scoped_lock lock(world_.mutex);
    const ChannelKey key{from, rank_, tag};
    const std::uint64_t index = world_.channels[key].received++;
    return number({false, key, index, bytes, nullptr});
  }

  bool is_done(int message) override {
    const std::scoped_lock lock(world_.mutex);
    if (try_finish(message)) return true;
    check_others();
    return false;
  }

  void wait(int message) override {
    std::unique_lock lock(world_.mutex);
    while (!try_finish(message)) {
      check_others();
      // The bound is for messages that are late: nobody tells when they are due.
      world_.changed.wait_for(lock, std::chrono::microseconds(late_ ? 50 : 100000));
    }
  }

  void fail_all(std::string_view reason, int /*status*/) override {
    const std::scoped_lock lock(world_.mutex);
    if (world_.failure.empty()) {
      world_.failure = reason;
      world_.first = std::current_exception();
    }
    withdraw();
    world_.changed.notify_all();
  }

 private:
  struct Open {
    bool is_send = false;
    ChannelKey key;
    std::uint64_t index = 0;
    std::span<std::byte> into;
    std::shared_ptr<Message> message;
  };

  void check_others() {
    if (world_.failure.empty()) return;
    withdraw();
    fail(ErrorCode::kExhausted, "another rank failed: {}", world_.failure);
  }

  // The memory of what was sent and not received will be gone.
  void withdraw() {
    for (auto& [key, channel] : world_.channels) {
      if (key.from == rank_) channel.waiting.clear();
    }
  }

  int number(Open open) {
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (open_[i]) continue;
      open_[i] = std::move(open);
      return static_cast<int>(i);
    }
    open_.push_back(std::move(open));
    return static_cast<int>(open_.size()) - 1;
  }

  bool try_finish(int message) {
    std::optional<Open>& open = open_.at(static_cast<std::size_t>(message));
    check(open.has_value(), "message {} is done already", message);
    if (!(open->is_send ? is_sent(*open) : is_received(*open))) return false;
    open.reset();
    return true;
  }

  static bool is_sent(const Open& open) {
    return open.message->taken || !open.message->copy.empty() || open.message->bytes.empty();
  }

  bool is_received(const Open& open) {
    Channel& channel = world_.channels[open.key];
    const auto found = channel.waiting.find(open.index);
    late_ = found != channel.waiting.end() && found->second->ready > Clock::now();
    if (found == channel.waiting.end() || late_) return false;
    Message& message = *found->second;
    check(message.bytes.size() == open.into.size(), "a message of {} bytes, where {} are expected",
          message.bytes.size(), open.into.size());
    if (!open.into.empty()) {
      std::memcpy(open.into.data(), message.bytes.data(), message.bytes.size());
    }
    message.taken = true;
    channel.waiting.erase(found);
    world_.changed.notify_all();
    return true;
  }

  World& world_;
  int rank_;
  Rng rng_;
  bool late_ = false;  // the message that was looked at last is there, and not due
  std::vector<std::optional<Open>> open_;
};

}  // namespace

void run_thread_ranks(int ranks, const ThreadRanksOptions& options,
                      const std::function<void(Transport&)>& body) {
  World world;
  world.ranks = ranks;
  world.options = options;
  const auto run = [&](int rank) {
    ThreadTransport transport(world, rank);
    try {
      body(transport);
    } catch (const std::exception& error) {
      transport.fail_all(error.what(), 0);
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int rank = 1; rank < ranks; ++rank) threads.emplace_back(run, rank);
    run(0);
  }
  if (world.first) std::rethrow_exception(world.first);
}

}  // namespace lamina::pipeline
