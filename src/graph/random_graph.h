// Random well-formed graphs and values for them: devices and the optimiser are compared with the
// reference on programs that nobody chose, in tests and in benchmarks.
#pragma once

#include <span>
#include <vector>

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

// Elements for a value of this type: normal for floats, 0..9 for integers, coins for bool. Weights
// with several axes are scaled so that products with them keep the size of their inputs.
Tensor random_tensor(Rng& rng, const Type& type, Role role = Role::kInput);
// One tensor per run input of the graph (roles input and donated), in order; sizes must be bound.
std::vector<Tensor> random_inputs(Rng& rng, const Graph& graph);
// Gives elements to the weights that have none.
void fill_weights(Rng& rng, Graph& graph);

}  // namespace lamina
