// sign: -1, 0 or 1; NaN stays.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Sign {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::sign;
    return sign(x[0]);
  }
};

}  // namespace

OpDef sign() { return unary_number<Sign>("sign", zero_gradient, real_samples); }

}  // namespace lamina::ops
