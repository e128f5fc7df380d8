// What softmax and the normalisations share.
#pragma once

#include "graph/expression.h"
#include "graph/kinds.h"

namespace lamina {

// The reduction `op` over `axes`, which stay as size 1.
Expr fold(std::string_view op, const Expr& x, const Dims& axes);
// (x - mean) / sqrt(variance + epsilon), mean and variance over `axes`.
Expr standardise(const Expr& x, const Dims& axes, double epsilon);
// The inputs `first` and `first + 1`, where present: x * gain + bias, each reshaped to `shape`
// first (empty: used as they are).
Expr scale_and_shift(const Expr& x, std::span<const Value> inputs, std::size_t first,
                     const Dims& shape);
// Throws unless input `i`, if present, is [channels].
void check_channel_input(const NodeView& node, std::size_t i, const Dim& channels);
// [1, channels, 1, ...] for a tensor of `rank` axes, channels being axis `axis`.
Dims channel_shape(std::size_t rank, std::size_t axis, const Dim& channels);
// The axes from `first` to the last of `rank`.
Dims axes_from(std::size_t first, std::size_t rank);

// Shape rule of softmax and log_softmax (attribute axis), and their samples.
std::vector<Type> infer_softmax(const NodeView& node);
std::vector<Sample> softmax_samples();
// Shape rule of operators that keep their float input's type.
std::vector<Type> infer_same_float(const NodeView& node);

}  // namespace lamina
