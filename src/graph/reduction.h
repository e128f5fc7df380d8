// What the reductions over axes share.
#pragma once

#include "graph/kinds.h"

namespace lamina {

// An operator with attributes axes (empty: all) and keepdims, folding with `monoid`.
OpDef reduction(std::string_view name, Monoid monoid);

// The shape rule of reduction(): any dtype, axes dropped or kept as size 1.
std::vector<Type> infer_reduction(const NodeView& node);
// Samples of reduction() with float inputs.
std::vector<Sample> float_reduction_samples();

// The output (or its gradient) of a reduction with the reduced axes kept as size 1.
Value keep_reduced_axes(const GradientView& node, Value output);

// Of reduce_max and reduce_min: equal extremes share the gradient evenly.
std::vector<Value> extremum_gradient(const GradientView& node);

}  // namespace lamina
