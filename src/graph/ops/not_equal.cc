// not_equal: not x == y; true on NaN.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct NotEqual {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::equal;
    using num::like;
    return num::sub(like(x[0], 1.0), equal(x[0], x[1]));
  }
};

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 5}), f32({5})}, .differentiable = false},
          {.inputs = {{DType::kI32, {37}, {}}, {DType::kI32, {37}, {}}}, .differentiable = false}};
}

}  // namespace

OpDef not_equal() {
  OpDef op = comparison<NotEqual>("not_equal", samples);
  op.commutative = true;
  return op;
}

}  // namespace lamina::ops
