// A pool of worker threads for loops of many small tasks.
//
// Made for loops of a few microseconds: workers spin for a short while after their last loop before
// they sleep, and starting a loop allocates nothing. Loops may be started from several threads at
// the same time and from inside a task: the caller always works on its own loop, so that a nested
// loop ends even when every worker is busy.
#pragma once

#include <sched.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <type_traits>
#include <vector>

namespace lamina {

class ThreadPool {
 public:
  // `threads` counts the caller: a pool of 1 has no workers. 0: one per core that this process may
  // use.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end, slot) for disjoint ranges that cover [0, tasks); `slot`, below
  // threads(), is different for all ranges that run at the same time in this loop. Returns when
  // all have ended; rethrows the first exception (ranges not yet begun are then dropped).
  template <class Body>
  void parallel_for(std::int64_t tasks, Body&& body) {
    run({[](void* context, std::int64_t begin, std::int64_t end, int slot) {
           (*static_cast<std::remove_reference_t<Body>*>(context))(begin, end, slot);
         },
         &body},
        tasks);
  }

 private:
  // A borrowed callable.
  struct Call {
    void (*function)(void* context, std::int64_t begin, std::int64_t end, int slot);
    void* context;
  };

  // A place for one running loop. Workers hold `guests` while they look at the fields, and look
  // only while `open`; the caller closes the place and waits for the guests before it leaves.
  struct alignas(64) Loop {
    std::atomic<bool> taken = false;
    std::atomic<bool> open = false;
    std::atomic<int> guests = 0;
    alignas(64) std::atomic<std::int64_t> next = 0;
    std::int64_t tasks = 0;
    std::int64_t shares = 1;  // a range takes one of so many of the tasks that are left
    Call call{};
    std::atomic<bool> failed = false;
    std::exception_ptr error;
  };

  void run(Call call, std::int64_t tasks);
  Loop* take_loop();
  void keep_workers_off(int processor);
  static void work(Loop& loop, int slot);
  bool visit_loops(int slot);
  void worker(int slot);

  std::array<Loop, 8> loops_;
  alignas(64) std::atomic<int> epoch_ = 0;  // counts started loops; workers sleep on it
  cpu_set_t usable_;                        // processors of this process when the pool was made
  std::atomic<int> sleepers_ = 0;
  std::atomic<int> avoided_processor_ = -1;
  std::atomic<bool> stopping_ = false;
  std::vector<std::jthread> workers_;
};

// How many cores this process may use.
int usable_cores();

}  // namespace lamina
