// How far two honest computations of one graph may lie apart (docs/numerics.md, "tolerance").
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// Half the distance from 1 to the next number: 2^-24 for f32. 0 for integers and bool.
double unit_roundoff(DType dtype);

// |got - want| <= relative * (|want| + row mean of |want|), with
// relative = 4 sqrt(roundings) u_store + 2 sqrt(reduction) u_acc spread(factors).
struct Tolerance {
  std::int64_t roundings = 0;  // to storage, on the longest path
  std::int64_t reduction = 0;  // terms of the longest sum
  double store = 0.0;          // unit roundoff of the coarsest float type that values are stored in
  double accumulate = 0.0;     // and of the type that sums are kept in
  std::int64_t factors = 1;    // results of contractions that are multiplied with each other
  double relative() const;
};

// Composites count as their expansions, blocks as their inner graph with the sums of its loop.
Tolerance tolerance(const Graph& graph, const Sizes& sizes = {});

// What the error of each element is relative to: |want| + row mean of |want| (of its finite ones).
// A row is a line along the last axis that is longer than 1.
std::vector<double> error_scales(std::span<const double> want, const Shape& shape);

// The first element of `got` that is not within tolerance of `want`, in words; nullopt when all
// are. Integers and bool must be equal, NaN and infinities must be where they are in `want`.
std::optional<std::string> difference(const Tensor& got, const Tensor& want,
                                      const Tolerance& tolerance);

// 0 where difference() finds nothing, else the largest |got - want| in units of what the tolerance
// allows, above 1. Infinity for another type or shape, for unequal integers, and for a NaN or an
// infinity that is not in the same place in both.
double deviation(const Tensor& got, const Tensor& want, const Tolerance& tolerance);

}  // namespace lamina
