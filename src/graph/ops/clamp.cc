// clamp: x kept within [low, high]; bounds are taken in the dtype of x.
#include <limits>

#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Clamp {
  template <class T>
  static T apply(std::span<const T> x, const Attrs& attrs) {
    using num::like;
    using num::max;
    using num::min;
    const T low = like(x[0], attrs.real("low"));
    const T high = like(x[0], attrs.real("high"));
    return min(max(x[0], low), high);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs& attrs) {
  const Expr above = call("greater_equal", {x, number(x, attrs.real("low"))});
  const Expr below = call("less_equal", {x, number(x, attrs.real("high"))});
  return indicator(call("logical_and", {above, below}), x);
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 5})}, .attrs = {{"low", -0.7}, {"high", 1.1}}},
          {.inputs = {f32({37})}, .attrs = {{"high", 0.5}}},
          {.inputs = {{DType::kI32, {37}, {}}},
           .attrs = {{"low", -2.0}, {"high", 3.0}},
           .differentiable = false},
          {.inputs = {{DType::kI32, {37}, {}}}, .attrs = {{"low", 1.0}}, .differentiable = false}};
}

}  // namespace

OpDef clamp() {
  return unary_number<Clamp>(
      "clamp", chain<derivative>, samples,
      {{"low", AttrKind::kReal, -kInfinity}, {"high", AttrKind::kReal, kInfinity}});
}

}  // namespace lamina::ops
