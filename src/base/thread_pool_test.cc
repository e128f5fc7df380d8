// Loops of the pool: coverage, nesting, slots, exceptions.
#include "base/thread_pool.h"

#include <doctest/doctest.h>

#include <numeric>
#include <stdexcept>

using namespace lamina;

TEST_CASE("every task runs exactly once, for any number of threads") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (const std::int64_t tasks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
      pool.parallel_for(tasks, [&](std::int64_t begin, std::int64_t end, int slot) {
        CHECK((slot >= 0 && slot < threads));
        for (std::int64_t i = begin; i < end; ++i) ++runs[static_cast<std::size_t>(i)];
      });
      for (const auto& count : runs) CHECK(count == 1);
    }
  }
}

TEST_CASE("ranges that run at the same time have different slots") {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> busy(3);
  std::atomic<bool> clash = false;
  pool.parallel_for(200, [&](std::int64_t, std::int64_t, int slot) {
    if (++busy[static_cast<std::size_t>(slot)] != 1) clash = true;
    std::this_thread::yield();
    --busy[static_cast<std::size_t>(slot)];
  });
  CHECK_FALSE(clash);
}

TEST_CASE("a loop inside a task ends although all workers are busy") {
  ThreadPool pool(2);
  std::atomic<std::int64_t> total = 0;
  pool.parallel_for(16, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      pool.parallel_for(10, [&](std::int64_t b, std::int64_t e, int) {
        pool.parallel_for(
            3, [&](std::int64_t b2, std::int64_t e2, int) { total += (e2 - b2) * (e - b); });
      });
    }
  });
  CHECK(total == 16 * 10 * 3);
}

TEST_CASE("loops of several threads share one pool") {
  ThreadPool pool(2);
  std::atomic<std::int64_t> total = 0;
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < 12; ++c) {
      callers.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          pool.parallel_for(
              20, [&](std::int64_t begin, std::int64_t end, int) { total += end - begin; });
        }
      });
    }
  }
  CHECK(total == 12 * 50 * 20);
}

TEST_CASE("an exception of a task is thrown by the loop, and the pool goes on") {
  ThreadPool pool(2);
  for (int round = 0; round < 3; ++round) {
    CHECK_THROWS_AS(pool.parallel_for(100,
                                      [&](std::int64_t begin, std::int64_t end, int) {
                                        if (begin <= 42 && 42 < end) throw std::runtime_error("42");
                                      }),
                    std::runtime_error);
  }
  std::atomic<std::int64_t> total = 0;
  pool.parallel_for(100, [&](std::int64_t b, std::int64_t e, int) { total += e - b; });
  CHECK(total == 100);
}
