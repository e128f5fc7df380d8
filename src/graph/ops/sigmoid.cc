// sigmoid: 1 / (1 + exp(-x)).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Sigmoid {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::sigmoid;
    return sigmoid(x[0]);
  }
};

Expr derivative(const Expr&, const Expr& y, const Attrs&) { return y * (1.0 - y); }

}  // namespace

OpDef sigmoid() { return unary_float<Sigmoid>("sigmoid", chain<derivative>, real_samples); }

}  // namespace lamina::ops
