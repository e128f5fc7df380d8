// acosh: inverse hyperbolic cosine, for x >= 1.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Acosh {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::acosh;
    return acosh(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  return 1.0 / call("sqrt", {x * x - 1.0});
}

std::vector<Sample> samples() { return {{.inputs = {f32({3, 5})}, .low = 1.2, .high = 3.0}}; }

}  // namespace

OpDef acosh() { return unary_float<Acosh>("acosh", chain<derivative>, samples); }

}  // namespace lamina::ops
