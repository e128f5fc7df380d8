// exp: e to the power x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Exp {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::exp;
    return exp(x[0]);
  }
};

Expr derivative(const Expr&, const Expr& y, const Attrs&) { return y; }

}  // namespace

OpDef exp() { return unary_float<Exp>("exp", chain<derivative>, real_samples); }

}  // namespace lamina::ops
