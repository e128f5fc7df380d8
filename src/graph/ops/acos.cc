// acos: inverse cosine.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Acos {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::acos;
    return acos(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  return -1.0 / call("sqrt", {1.0 - x * x});
}

}  // namespace

OpDef acos() { return unary_float<Acos>("acos", chain<derivative>, unit_samples); }

}  // namespace lamina::ops
