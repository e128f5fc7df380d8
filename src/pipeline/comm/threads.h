// Ranks as threads of this process: for tests, for one machine, and where there is no MPI.
#pragma once

#include <cstdint>
#include <functional>

#include "pipeline/comm/transport.h"

namespace lamina::pipeline {

struct ThreadRanksOptions {
  // Messages are late by a random time of at most this, and some are copied when they are sent
  // while the senders of others wait for their receivers: for tests.
  double delay_ms = 0.0;
  std::uint64_t seed = 1;
};

// Runs `body` once for each rank, all at the same time, and waits for all. When one throws, the
// others are told, and its exception is thrown again.
void run_thread_ranks(int ranks, const ThreadRanksOptions& options,
                      const std::function<void(Transport&)>& body);

}  // namespace lamina::pipeline
