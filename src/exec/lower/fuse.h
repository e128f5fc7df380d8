// Element-wise operators and sums that read or feed each other as single passes over memory.
#pragma once

#include <optional>
#include <vector>

#include "graph/op_def.h"

namespace lamina::lower {

// `graph`, simplified, with chains of element-wise operators of one shape over f32 and bool, and
// sums of what they compute over the same axes, gathered into nodes `thread`. By rules, without a
// search and without timings: a chain takes in whatever saves reading or writing a tensor again, as
// long as nothing between must run first. Every operator computes exactly what it did; sums are
// taken in another order. What depends on weights alone stays as it is (it runs once, at load).
Graph fuse_chains(const Graph& graph);

// A node `thread` of that kind.
struct Chain {
  Dims shape;                 // of its elements
  std::vector<bool> reduced;  // per axis: the sums go over it; none are: there is no sum
};
// Nothing for any other node.
std::optional<Chain> chain_of(const NodeView& node);

}  // namespace lamina::lower
