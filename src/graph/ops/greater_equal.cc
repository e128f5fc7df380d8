// greater_equal: x >= y; false on NaN.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct GreaterEqual {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::equal;
    using num::less;
    using num::max;
    return max(less(x[1], x[0]), equal(x[0], x[1]));
  }
};

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 5}), f32({5})}, .differentiable = false},
          {.inputs = {{DType::kI32, {37}, {}}, {DType::kI32, {37}, {}}}, .differentiable = false}};
}

}  // namespace

OpDef greater_equal() { return comparison<GreaterEqual>("greater_equal", samples); }

}  // namespace lamina::ops
