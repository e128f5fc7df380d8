// ceil: the smallest integer that is not below x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Ceil {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::ceil;
    return ceil(x[0]);
  }
};

}  // namespace

OpDef ceil() { return unary_number<Ceil>("ceil", zero_gradient, step_samples); }

}  // namespace lamina::ops
