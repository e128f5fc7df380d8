// erf: the error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Erf {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::erf;
    return erf(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  constexpr double kTwoOverRootPi = 1.1283791670955126;
  return kTwoOverRootPi * call("exp", {-(x * x)});
}

}  // namespace

OpDef erf() { return unary_float<Erf>("erf", chain<derivative>, real_samples); }

}  // namespace lamina::ops
