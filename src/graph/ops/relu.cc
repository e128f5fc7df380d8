// relu: max(x, 0).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Relu {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::like;
    using num::max;
    return max(x[0], like(x[0], 0.0));
  }
};

// From the result, so that the operand need not be kept.
Expr derivative(const Expr&, const Expr& y, const Attrs&) {
  return indicator(call("greater", {y, number(y, 0.0)}), y);
}

}  // namespace

OpDef relu() { return unary_number<Relu>("relu", chain<derivative>, real_samples); }

}  // namespace lamina::ops
