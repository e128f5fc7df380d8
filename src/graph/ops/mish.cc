// mish: x * tanh(softplus(x)) (arXiv:1908.08681).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Mish {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::softplus;
    using num::tanh;
    return num::mul(x[0], tanh(softplus(x[0])));
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  const Expr t = call("tanh", {call("softplus", {x})});
  return t + x * (1.0 - t * t) * call("sigmoid", {x});
}

}  // namespace

OpDef mish() { return unary_float<Mish>("mish", chain<derivative>, real_samples); }

}  // namespace lamina::ops
