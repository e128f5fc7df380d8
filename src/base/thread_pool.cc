// Dynamic chunks, spinning workers, and places for concurrent loops.
#include "base/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace lamina {
namespace {

// Turns of a worker that finds nothing to do: long enough to bridge the gaps within a run and to
// the next of runs that follow each other, short enough that an idle pool costs nothing. Some 200
// microseconds; waking a worker takes up to 20, a quarter of a short program.
constexpr int kIdleSpins = 8000;
// Of a caller that waits for a worker which may need its core: some 50 microseconds.
constexpr int kWaitSpins = 2000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `done()`. Yields after a while: the thread waited for may need this core.
template <class Done>
void spin_until(Done done) {
  for (int i = 0; !done(); ++i) {
    if (i < kWaitSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadPool::ThreadPool(int threads) {
  CPU_ZERO(&usable_);
  sched_getaffinity(0, sizeof usable_, &usable_);
  const int count = threads > 0 ? threads : usable_cores();
  for (int slot = 1; slot < count; ++slot) {
    workers_.emplace_back([this, slot] { worker(slot); });
  }
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  epoch_.fetch_add(1);
  epoch_.notify_all();
}

ThreadPool::Loop* ThreadPool::take_loop() {
  for (Loop& loop : loops_) {
    if (!loop.taken.load(std::memory_order_relaxed) && !loop.taken.exchange(true)) return &loop;
  }
  return nullptr;
}

void ThreadPool::run(Call call, std::int64_t tasks) {
  if (tasks <= 0) return;
  Loop* loop = tasks == 1 || workers_.empty() ? nullptr : take_loop();
  if (loop == nullptr) {
    call.function(call.context, 0, tasks, 0);
    return;
  }
  loop->shares = 3 * threads();
  loop->tasks = tasks;
  loop->call = call;
  loop->error = nullptr;
  loop->failed.store(false, std::memory_order_relaxed);
  loop->next.store(0, std::memory_order_relaxed);
  loop->open = true;
  if (sleepers_.load(std::memory_order_relaxed) > 0) keep_workers_off(sched_getcpu());
  epoch_.fetch_add(1);
  epoch_.notify_all();
  work(*loop, 0);
  loop->open = false;
  spin_until([&] { return loop->guests.load() == 0; });
  const std::exception_ptr error = std::exchange(loop->error, nullptr);
  loop->taken = false;
  if (error) std::rethrow_exception(error);
}

// A thread woken from a long sleep is often put beside the one that woke it, and the system takes
// some milliseconds to part them: longer than many a program runs.
void ThreadPool::keep_workers_off(int processor) {
  if (avoided_processor_.exchange(processor) == processor) return;
  cpu_set_t others = usable_;
  CPU_CLR(processor, &others);
  if (CPU_COUNT(&others) == 0) return;
  for (std::jthread& thread : workers_) {
    pthread_setaffinity_np(thread.native_handle(), sizeof others, &others);
  }
}

void ThreadPool::work(Loop& loop, int slot) {
  while (true) {
    // Ranges shrink with what is left: long ones are cheap, short ones at the end even out the
    // load.
    std::int64_t begin = loop.next.load(std::memory_order_relaxed);
    std::int64_t end = 0;
    do {
      if (begin >= loop.tasks) return;
      end = begin + std::max<std::int64_t>(1, (loop.tasks - begin) / loop.shares);
    } while (!loop.next.compare_exchange_weak(begin, end, std::memory_order_relaxed));
    try {
      loop.call.function(loop.call.context, begin, end, slot);
    } catch (...) {
      loop.next.store(loop.tasks, std::memory_order_relaxed);
      if (!loop.failed.exchange(true)) loop.error = std::current_exception();
    }
  }
}

bool ThreadPool::visit_loops(int slot) {
  bool found = false;
  for (Loop& loop : loops_) {
    if (!loop.open.load(std::memory_order_relaxed)) continue;
    // The caller closes, then counts the guests; a guest enters, then looks whether it is open:
    // one of the two sees the other.
    loop.guests.fetch_add(1);
    if (loop.open && loop.next.load(std::memory_order_relaxed) < loop.tasks) {
      work(loop, slot);
      found = true;
    }
    loop.guests.fetch_sub(1);
  }
  return found;
}

void ThreadPool::worker(int slot) {
  int idle = 0;
  int seen = epoch_.load();
  while (!stopping_) {
    if (visit_loops(slot)) {
      idle = 0;
      continue;
    }
    if (++idle < kIdleSpins) {
      pause();
      continue;
    }
    ++sleepers_;
    epoch_.wait(seen);
    --sleepers_;
    seen = epoch_.load();
    idle = 0;
  }
}

}  // namespace lamina
