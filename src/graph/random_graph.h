// Random well-formed graphs: devices and the optimiser are compared with the reference on programs
// that nobody chose, in tests and in benchmarks. (Elements for their inputs: lamina/bench.h.)
#pragma once

#include "base/rng.h"
#include "lamina/graph.h"

namespace lamina {

struct RandomGraphOptions {
  int steps = 5;               // layers; each is one to eight operators
  std::int64_t max_rows = 64;  // extents are odd, ones among them
  std::int64_t max_width = 1100;
  DType dtype = DType::kF32;
};

// A chain of layers - linear, normalised linear, gated linear, softmax attention, activation,
// normalisation, reduction with a broadcast back, residual - over a value of shape
// [rows, width] or [batch, rows, width]. Products take weights. Values stay of moderate size, and
// no operator is applied outside its domain, so that devices can be compared by tolerance.
Graph random_graph(Rng& rng, const RandomGraphOptions& options = {});

}  // namespace lamina
