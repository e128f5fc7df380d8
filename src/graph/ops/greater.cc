// greater: x > y; false on NaN.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Greater {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::less;
    return less(x[1], x[0]);
  }
};

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 5}), f32({5})}, .differentiable = false},
          {.inputs = {{DType::kI32, {37}, {}}, {DType::kI32, {37}, {}}}, .differentiable = false}};
}

}  // namespace

OpDef greater() { return comparison<Greater>("greater", samples); }

}  // namespace lamina::ops
