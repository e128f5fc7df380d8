// Elements go through NCCL, and what they are through the transport that started the ranks.
//
// NCCL has no tags: what is sent and received meets in the order of the calls. And a transfer that
// only one end has begun stays on its GPU, where all that wants the GPU alone (memory that is
// freed, code that is loaded, a wait for everything) waits for it, and so for the other rank.
// Therefore
// - each ordered pair of ranks has a communicator of its own, for one direction (nccl_lanes.h);
// - a message is offered to the receiver first {tag, bytes}, which accepts it when a receive of
// that
//   tag stands. The receiver begins the transfer when it accepts, the sender when it hears of it:
//   in the same order, and soon one after the other. What nobody receives yet is on no GPU;
// - a thread of each rank does this, also while the rank computes.
// A receive that always stood for the next header would need no answer, but would stay on the GPU
// for as long as the other rank has nothing to say.
#include "pipeline/comm/nccl_transport.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <future>
#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/check.h"
#include "pipeline/comm/nccl_lanes.h"

namespace lamina::pipeline {
namespace {

// What one rank tells another of a message, which has its sender's number.
struct Notice {
  enum Kind : std::int32_t { kOffer, kAccept, kLeave };
  Kind kind = kOffer;
  std::int32_t tag = 0;
  std::int64_t message = 0;
  std::uint64_t bytes = 0;
};

struct Open {
  bool is_send = false;
  int peer = 0;
  std::span<const std::byte> from;  // of a send
  std::span<std::byte> into;        // of a receive
  Staging staging;                  // of none to itself, and of none without elements
  bool done = false;
};

struct Peer {
  Notice notice;  // the next that comes
  int notice_message = -1;
  bool left = false;
  std::map<int, std::deque<int>> receives;   // by tag: posted, not offered
  std::map<int, std::deque<Notice>> offers;  // by tag: not accepted
};

class NcclTransport final : public Transport {
 public:
  NcclTransport(Transport& start, NcclCalls& calls)
      : start_(start),
        calls_(calls),
        peers_(static_cast<std::size_t>(start.ranks())),
        lanes_(start, calls) {
    for (int p = 0; p < ranks(); ++p) {
      if (p != rank()) expect_notice(p);
    }
    progress_ = std::async(std::launch::async, [this] { make_progress(); });
  }
  NcclTransport(const NcclTransport&) = delete;
  NcclTransport& operator=(const NcclTransport&) = delete;
  ~NcclTransport() override { stop(); }

  int rank() const override { return start_.rank(); }
  int ranks() const override { return start_.ranks(); }
  int largest_tag() const override { return std::numeric_limits<int>::max(); }
  int sharing() const override { return start_.sharing(); }
  int place_on_machine() const override { return start_.place_on_machine(); }

  int send(int to, int tag, std::span<const std::byte> bytes) override {
    Open open{.is_send = true, .peer = to, .from = bytes};
    if (is_moved(to, bytes.size())) {
      open.staging = lanes_.take(bytes.size());
      std::memcpy(open.staging.host, bytes.data(), bytes.size());
    }
    const std::scoped_lock lock(mutex_);
    open.done = to != rank() && bytes.empty();
    const int message = number(open);
    const Notice offer{Notice::kOffer, tag, message, bytes.size()};
    if (to == rank()) {
      peer(to).offers[tag].push_back(offer);
      match(to, tag);
    } else {
      tell(to, offer);
    }
    return message;
  }

  int receive(int from, int tag, std::span<std::byte> bytes) override {
    Open open{.peer = from, .into = bytes};
    if (is_moved(from, bytes.size())) open.staging = lanes_.take(bytes.size());
    const std::scoped_lock lock(mutex_);
    const int message = number(open);
    peer(from).receives[tag].push_back(message);
    match(from, tag);
    return message;
  }

  bool is_done(int message) override {
    std::unique_lock lock(mutex_);
    if (!at(message).done) {
      if (failure_) std::rethrow_exception(failure_);
      return false;
    }
    finish(message, lock);
    return true;
  }

  void wait(int message) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return at(message).done || failure_; });
    if (!at(message).done) std::rethrow_exception(failure_);
    finish(message, lock);
  }

  void fail_all(std::string_view reason, int status) override {
    stop();
    start_.fail_all(reason, status);
  }

  // Waits until no rank has anything to say any more.
  void leave() {
    {
      const std::scoped_lock lock(mutex_);
      for (int p = 0; p < ranks(); ++p) {
        if (p != rank()) tell(p, {.kind = Notice::kLeave});
      }
      leaving_ = true;
    }
    work_.notify_all();
    progress_.get();
    if (failure_) std::rethrow_exception(failure_);
    lanes_.set_done();
  }

 private:
  struct Telling {
    Notice notice;
    int message = 0;
  };

  Peer& peer(int p) { return peers_.at(static_cast<std::size_t>(p)); }
  Open& at(int message) {
    std::optional<Open>& open = open_.at(static_cast<std::size_t>(message));
    check(open.has_value(), "message {} is done already", message);
    return *open;
  }
  bool is_moved(int other, std::size_t bytes) const { return other != rank() && bytes > 0; }

  // Ends the thread. One that hangs in NCCL ends with the communicators, or with the process.
  void stop() {
    if (!progress_.valid()) return;
    stop_ = true;
    work_.notify_all();
    progress_.wait_for(std::chrono::seconds(2));
  }

  void finish(int message, std::unique_lock<std::mutex>& lock) {
    const Open open = at(message);
    open_[static_cast<std::size_t>(message)].reset();
    lock.unlock();
    if (!is_moved(open.peer, open.staging.bytes)) return;
    if (!open.is_send) std::memcpy(open.into.data(), open.staging.host, open.into.size());
    lanes_.give_back(open.staging);
  }

  // --- What follows is done with the lock ---

  int number(const Open& open) {
    work_.notify_all();
    const auto free = std::find(open_.begin(), open_.end(), std::nullopt);
    if (free != open_.end()) {
      *free = open;
      return static_cast<int>(free - open_.begin());
    }
    open_.push_back(open);
    return static_cast<int>(open_.size()) - 1;
  }

  void tell(int to, const Notice& notice) {
    Telling& telling = telling_.emplace_back(Telling{notice, 0});
    telling.message = start_.send(to, kNcclTag, std::as_bytes(std::span(&telling.notice, 1)));
  }

  void expect_notice(int from) {
    Peer& other = peer(from);
    other.notice_message =
        start_.receive(from, kNcclTag, std::as_writable_bytes(std::span(&other.notice, 1)));
  }

  void hear(int from) {
    const Notice notice = peer(from).notice;
    if (notice.kind == Notice::kLeave) {
      peer(from).left = true;
      return;
    }
    expect_notice(from);
    if (notice.kind == Notice::kOffer) {
      peer(from).offers[notice.tag].push_back(notice);
      match(from, notice.tag);
      return;
    }
    const auto message = static_cast<int>(notice.message);
    lanes_.send(from, message, at(message).staging, at(message).from.size());
  }

  void match(int from, int tag) {
    std::deque<int>& receives = peer(from).receives[tag];
    std::deque<Notice>& offers = peer(from).offers[tag];
    while (!receives.empty() && !offers.empty()) {
      accept(receives.front(), offers.front());
      receives.pop_front();
      offers.pop_front();
    }
  }

  void accept(int message, const Notice& offer) {
    Open& own = at(message);
    check(own.into.size() == offer.bytes, "a message of {} bytes, where {} are expected",
          offer.bytes, own.into.size());
    if (is_moved(own.peer, offer.bytes)) {
      tell(own.peer, {Notice::kAccept, offer.tag, offer.message, offer.bytes});
      lanes_.receive(own.peer, message, own.staging, offer.bytes);
      return;
    }
    if (own.peer == rank()) {
      Open& sender = at(static_cast<int>(offer.message));
      std::copy(sender.from.begin(), sender.from.end(), own.into.begin());
      sender.done = true;
    }
    own.done = true;
    changed_.notify_all();
  }

  // --- Of the other thread ---

  void make_progress() {
    try {
      calls_.enter();
      constexpr int kYields = 100, kLongest = 100;
      for (int idle = 0; !stop_; ++idle) {
        if (look()) idle = 0;
        if (is_over()) return;
        if (idle < kYields) {
          std::this_thread::yield();
        } else {
          std::this_thread::sleep_for(
              std::chrono::microseconds(std::min(kLongest, idle - kYields)));
        }
      }
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      failure_ = std::current_exception();
      changed_.notify_all();
    }
  }

  bool is_over() {
    const std::scoped_lock lock(mutex_);
    if (!leaving_ || !telling_.empty() || !lanes_.is_idle()) return false;
    for (int p = 0; p < ranks(); ++p) {
      if (p != rank() && !peer(p).left) return false;
    }
    return true;
  }

  bool has_work() const {
    const auto waits = [](const auto& open) { return open.has_value() && !open->done; };
    return stop_ || leaving_ || !telling_.empty() || std::any_of(open_.begin(), open_.end(), waits);
  }

  // True when something went on.
  bool look() {
    std::unique_lock lock(mutex_);
    work_.wait_for(lock, std::chrono::milliseconds(10), [&] { return has_work(); });
    bool any = std::erase_if(telling_, [&](const Telling& telling) {
                 return start_.is_done(telling.message);
               }) > 0;
    for (int p = 0; p < ranks(); ++p) {
      if (p == rank()) continue;
      while (!peer(p).left && start_.is_done(peer(p).notice_message)) {
        hear(p);
        any = true;
      }
      for (const int message : lanes_.finished(p)) at(message).done = any = true;
    }
    if (any) changed_.notify_all();
    return any;
  }

  Transport& start_;
  NcclCalls& calls_;

  std::mutex mutex_;
  std::condition_variable changed_;  // a message is done, or all has failed
  std::condition_variable work_;     // there is something to look after
  std::vector<Peer> peers_;          // by rank
  std::vector<std::optional<Open>> open_;
  std::list<Telling> telling_;
  bool leaving_ = false;
  std::exception_ptr failure_;

  std::atomic<bool> stop_ = false;
  std::future<void> progress_;
  NcclLanes lanes_;  // goes first, for a thread that hangs in it
};

}  // namespace

void run_on_nccl(Transport& start, NcclCalls& calls, const std::function<void(Transport&)>& body) {
  NcclTransport transport(start, calls);
  body(transport);
  transport.leave();
}

}  // namespace lamina::pipeline
