// is_inf: x is plus or minus infinity.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct IsInf {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::is_inf;
    return is_inf(x[0]);
  }
};

}  // namespace

OpDef is_inf() {
  OpDef op = comparison<IsInf>("is_inf", step_samples);
  op.min_inputs = 1;
  op.max_inputs = 1;
  return op;
}

}  // namespace lamina::ops
