// hardswish: x * (x / 6 + 1/2 kept within [0, 1]) (arXiv:1905.02244).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Hardswish {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::like;
    using num::max;
    using num::min;
    const T line = num::add(num::div(x[0], like(x[0], 6.0)), like(x[0], 0.5));
    return num::mul(x[0], max(like(x[0], 0.0), min(like(x[0], 1.0), line)));
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  const Expr inside = call("less", {call("abs", {x}), number(x, 3.0)});
  const Expr outside = indicator(call("greater", {x, number(x, 0.0)}), x);
  return select(inside, x / 3.0 + 0.5, outside);
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 5})}, .low = -2.5, .high = 2.5},
          {.inputs = {f32({37})}, .low = -6.0, .high = 6.0}};
}

}  // namespace

OpDef hardswish() { return unary_float<Hardswish>("hardswish", chain<derivative>, samples); }

}  // namespace lamina::ops
