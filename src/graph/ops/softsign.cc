// softsign: x / (1 + |x|).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Softsign {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::abs;
    using num::like;
    return num::div(x[0], num::add(like(x[0], 1.0), abs(x[0])));
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) {
  const Expr d = 1.0 + call("abs", {x});
  return 1.0 / (d * d);
}

}  // namespace

OpDef softsign() { return unary_float<Softsign>("softsign", chain<derivative>, real_samples); }

}  // namespace lamina::ops
