// div: x / y, broadcast.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Div {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    return num::div(x[0], x[1]);
  }
};

std::vector<Value> gradient(const GradientView& node) {
  Graph& g = node.graph;
  const Value da = g.add("div", {node.grads[0], node.input(1)});
  const Value db = g.add("neg", {g.add("mul", {da, node.output()})});
  return {sum_to(node, da, 0), sum_to(node, db, 1)};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3}), f32({2, 3})}, .low = 0.5, .high = 2.0},
          {.inputs = {f32({4, 1, 3}), f32({5, 1})}, .low = 0.5, .high = 2.0},
          {.inputs = {{DType::kI64, {5}, {}}, {DType::kI64, {5}, {}}}, .differentiable = false}};
}

}  // namespace

OpDef div() {
  return {.name = "div",
          .min_inputs = 2,
          .max_inputs = 2,
          .infer = infer_elementwise,
          .scalar = number_meaning<Div>(),
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
