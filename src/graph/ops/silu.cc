// silu: x * sigmoid(x).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Silu {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::sigmoid;
    return num::mul(x[0], sigmoid(x[0]));
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  const Expr s = call("sigmoid", {x});
  return s * (1.0 + x * (1.0 - s));
}

}  // namespace

OpDef silu() { return unary_float<Silu>("silu", chain<derivative>, real_samples); }

}  // namespace lamina::ops
