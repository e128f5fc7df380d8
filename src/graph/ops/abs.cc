// abs: the absolute value.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Abs {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::abs;
    return abs(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return call("sign", {x}); }

}  // namespace

OpDef abs() { return unary_number<Abs>("abs", chain<derivative>, real_samples); }

}  // namespace lamina::ops
