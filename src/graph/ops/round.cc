// round: to the nearest integer, halves to even.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Round {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::round;
    return round(x[0]);
  }
};

}  // namespace

OpDef round() { return unary_number<Round>("round", zero_gradient, step_samples); }

}  // namespace lamina::ops
