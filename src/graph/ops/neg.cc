// neg: -x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Neg {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    return num::neg(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return number(x, -1.0); }

}  // namespace

OpDef neg() { return unary_number<Neg>("neg", chain<derivative>, real_samples); }

}  // namespace lamina::ops
