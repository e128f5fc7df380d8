// Float formats as the numerical layer sees them, and programs rewritten from one to another.
#pragma once

#include <optional>

#include "lamina/graph.h"

namespace lamina {

double largest_finite(DType dtype);
double smallest_step(DType dtype);  // the smallest positive (denormal) number

// The dtype that a program is written in: the coarsest float type among its inputs, or among all
// values if no input is a float; nullopt when nothing is.
std::optional<DType> home_dtype(const Graph& graph);

// The program as it would be written for `to`: inputs, weights, states, constants and casts of
// dtype `home` become `to`, everything else follows by inference. Other float types stay: they were
// chosen. So do states of block graphs that are f32 or f64: they hold partial sums, which are kept
// in f32 at least (docs/numerics.md). What a program stores in `home`, it stores in `to`.
// Throws kUnsupported that names a node whose operands no longer fit together.
Graph retype(const Graph& graph, DType home, DType to);

}  // namespace lamina
