// select: x where the condition is true, else y; all three broadcast.
#include <tuple>

#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Select {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::select;
    return select(x[0], x[1], x[2]);
  }
};

std::vector<Type> infer(const NodeView& node) {
  const auto& [condition, x, y] = std::tie(node.inputs[0], node.inputs[1], node.inputs[2]);
  require(condition.dtype == DType::kBool, "select: expected a bool condition, got {}",
          traits(condition.dtype).name);
  const Dims branches = broadcast_shapes("select", x.shape, y.shape);
  return {{promote(x.dtype, y.dtype), broadcast_shapes("select", condition.shape, branches), {}}};
}

std::vector<Value> gradient(const GradientView& node) {
  const Expr g = grad_of(node);
  const Expr zero = number(g, 0.0);
  const Expr condition = input_of(node, 0);
  return {Value{}, sum_to(node, select(condition, g, zero), 1),
          sum_to(node, select(condition, zero, g), 2)};
}

std::vector<Sample> samples() {
  const Type condition{DType::kBool, {3, 5}, {}};
  const Type whole{DType::kI64, {5}, {}};
  return {{.inputs = {condition, f32({3, 5}), f32({5})}},
          {.inputs = {condition, f32({}), f32({2, 3, 1})}},
          {.inputs = {condition, whole, whole}, .differentiable = false}};
}

}  // namespace

OpDef select() {
  return {.name = "select",
          .min_inputs = 3,
          .max_inputs = 3,
          .infer = infer,
          .scalar = number_meaning<Select>(),
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
