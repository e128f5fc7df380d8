// reciprocal: 1 / x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Reciprocal {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::like;
    return num::div(like(x[0], 1.0), x[0]);
  }
};

Expr derivative(const Expr&, const Expr& y, const Attrs&) { return -(y * y); }

}  // namespace

OpDef reciprocal() {
  return unary_float<Reciprocal>("reciprocal", chain<derivative>, positive_samples);
}

}  // namespace lamina::ops
