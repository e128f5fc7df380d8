// sqrt: the square root.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Sqrt {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::sqrt;
    return sqrt(x[0]);
  }
};

Expr derivative(const Expr&, const Expr& y, const Attrs&) { return 0.5 / y; }

}  // namespace

OpDef sqrt() { return unary_float<Sqrt>("sqrt", chain<derivative>, positive_samples); }

}  // namespace lamina::ops
