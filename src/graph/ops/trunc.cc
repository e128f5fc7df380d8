// trunc: toward zero.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Trunc {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::trunc;
    return trunc(x[0]);
  }
};

}  // namespace

OpDef trunc() { return unary_number<Trunc>("trunc", zero_gradient, step_samples); }

}  // namespace lamina::ops
