// What the random distributions share: they are functions of i64 counters and a seed, built on the
// operator random_bits.
#pragma once

#include "graph/expression.h"
#include "graph/op_def.h"

namespace lamina {

// An operator that turns i64 counters into f32 values by `expand`.
OpDef random_distribution(std::string_view name, Graph (*expand)(const NodeView&));

// 24 bits of `bits` starting at `first_bit`, as an f32 in [0, 2^24).
Expr random_mantissa(const Expr& bits, int first_bit);

}  // namespace lamina
