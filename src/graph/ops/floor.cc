// floor: the largest integer that is not above x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Floor {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::floor;
    return floor(x[0]);
  }
};

}  // namespace

OpDef floor() { return unary_number<Floor>("floor", zero_gradient, step_samples); }

}  // namespace lamina::ops
