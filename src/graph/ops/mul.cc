// mul: x * y, broadcast.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Mul {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    return num::mul(x[0], x[1]);
  }
};

std::vector<Value> gradient(const GradientView& node) {
  Graph& g = node.graph;
  const Value grad = node.grads[0];
  return {sum_to(node, g.add("mul", {grad, node.input(1)}), 0),
          sum_to(node, g.add("mul", {grad, node.input(0)}), 1)};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3}), f32({2, 3})}},
          {.inputs = {f32({4, 1, 3}), f32({5, 1})}},
          {.inputs = {{DType::kI64, {5}, {}}, {DType::kI64, {5}, {}}}, .differentiable = false}};
}

}  // namespace

OpDef mul() {
  return {.name = "mul",
          .min_inputs = 2,
          .max_inputs = 2,
          .commutative = true,
          .infer = infer_elementwise,
          .scalar = number_meaning<Mul>(),
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
