// gelu: x * Phi(x), Phi the normal distribution function; approximate = "none" (by erf) or "tanh"
// (arXiv:1606.08415).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

constexpr double kRootHalf = 0.7071067811865476;
constexpr double kRootHalfOverPi = 0.3989422804014327;
constexpr double kRootTwoOverPi = 0.7978845608028654;
constexpr double kCubic = 0.044715;

struct Gelu {
  template <class T>
  static T apply(std::span<const T> x, const Attrs& attrs) {
    using num::erf;
    using num::like;
    using num::tanh;
    const T half_x = num::mul(like(x[0], 0.5), x[0]);
    const T one = like(x[0], 1.0);
    if (attrs.text("approximate") != "tanh") {
      return num::mul(half_x, num::add(one, erf(num::mul(x[0], like(x[0], kRootHalf)))));
    }
    const T cube = num::mul(num::mul(x[0], x[0]), x[0]);
    const T u = num::add(x[0], num::mul(like(x[0], kCubic), cube));
    return num::mul(half_x, num::add(one, tanh(num::mul(like(x[0], kRootTwoOverPi), u))));
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs& attrs) {
  if (attrs.text("approximate") != "tanh") {
    const Expr density = kRootHalfOverPi * call("exp", {-0.5 * x * x});
    return 0.5 * (1.0 + call("erf", {x * kRootHalf})) + x * density;
  }
  const Expr square = x * x;
  const Expr t = call("tanh", {kRootTwoOverPi * (x + kCubic * square * x)});
  const Expr slope = kRootTwoOverPi * (1.0 + 3.0 * kCubic * square);
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope;
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 5})}}, {.inputs = {f32({37})}, .attrs = {{"approximate", "tanh"}}}};
}

}  // namespace

OpDef gelu() {
  return unary_float<Gelu>("gelu", chain<derivative>, samples,
                           {{"approximate", AttrKind::kText, "none"}});
}

}  // namespace lamina::ops
