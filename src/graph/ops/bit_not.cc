// bit_not: the opposite bits of an integer.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct BitNot {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::bit_not;
    return bit_not(x[0]);
  }
};

std::vector<Sample> samples() {
  return {{.inputs = {{DType::kI32, {37}, {}}}, .differentiable = false},
          {.inputs = {{DType::kU8, {37}, {}}}, .differentiable = false}};
}

}  // namespace

OpDef bit_not() {
  OpDef op = binary_integer<BitNot>("bit_not", samples);
  op.min_inputs = 1;
  op.max_inputs = 1;
  return op;
}

}  // namespace lamina::ops
