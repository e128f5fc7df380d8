// asin: inverse sine.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Asin {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::asin;
    return asin(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  return 1.0 / call("sqrt", {1.0 - x * x});
}

}  // namespace

OpDef asin() { return unary_float<Asin>("asin", chain<derivative>, unit_samples); }

}  // namespace lamina::ops
