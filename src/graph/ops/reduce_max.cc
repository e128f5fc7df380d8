// reduce_max: the largest element over axes (none listed: all); NaN if there is one.
#include "graph/reduction.h"

namespace lamina::ops {

OpDef reduce_max() {
  OpDef op = reduction("reduce_max", Monoid::kMax);
  op.gradient = extremum_gradient;
  return op;
}

}  // namespace lamina::ops
