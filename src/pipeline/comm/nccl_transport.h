// Messages from GPU to GPU by NCCL.
#pragma once

#include <functional>

#include "pipeline/comm/nccl_calls.h"
#include "pipeline/comm/transport.h"

namespace lamina::pipeline {

// Runs `body` with a transport between the ranks of `start`, which nobody else may use meanwhile;
// its calls come from several threads, one at a time. To be called by all ranks, each with its own
// `calls`. Throws kUnsupported where two ranks have the same GPU.
void run_on_nccl(Transport& start, NcclCalls& calls, const std::function<void(Transport&)>& body);

}  // namespace lamina::pipeline
