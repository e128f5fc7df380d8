// is_nan: x is not a number.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct IsNan {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::is_nan;
    return is_nan(x[0]);
  }
};

}  // namespace

OpDef is_nan() {
  OpDef op = comparison<IsNan>("is_nan", step_samples);
  op.min_inputs = 1;
  op.max_inputs = 1;
  return op;
}

}  // namespace lamina::ops
