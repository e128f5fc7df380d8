// What programs of the cpu device will hold.
#pragma once

#include "lamina/graph.h"

namespace lamina::cpu {

// Bytes of a program, weights and scratch of kernels apart.
struct ProgramMemory {
  std::int64_t arena = 0;            // ProgramStats::arena_bytes
  std::int64_t made_of_weights = 0;  // at most: ProgramStats::packed_weight_bytes
};

// Of a graph of constant shapes, without compiling it.
ProgramMemory program_memory(const Graph& graph);

}  // namespace lamina::cpu
