// rsqrt: 1 / sqrt(x).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Rsqrt {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::like;
    using num::sqrt;
    return num::div(like(x[0], 1.0), sqrt(x[0]));
  }
};

Expr derivative(const Expr&, const Expr& y, const Attrs&) { return -0.5 * y * y * y; }

}  // namespace

OpDef rsqrt() { return unary_float<Rsqrt>("rsqrt", chain<derivative>, positive_samples); }

}  // namespace lamina::ops
