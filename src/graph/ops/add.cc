// add: x + y, broadcast.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Add {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    return num::add(x[0], x[1]);
  }
};

std::vector<Value> gradient(const GradientView& node) {
  const Value g = node.grads[0];
  return {sum_to(node, g, 0), sum_to(node, g, 1)};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3}), f32({2, 3})}},
          {.inputs = {f32({4, 1, 3}), f32({5, 1})}},
          {.inputs = {f32({}), f32({7})}},
          {.inputs = {{DType::kI32, {5}, {}}, {DType::kI32, {5}, {}}}, .differentiable = false}};
}

}  // namespace

OpDef add() {
  return {.name = "add",
          .min_inputs = 2,
          .max_inputs = 2,
          .commutative = true,
          .infer = infer_elementwise,
          .scalar = number_meaning<Add>(),
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
