// reduce_min: the smallest element over axes (none listed: all); NaN if there is one.
#include "graph/reduction.h"

namespace lamina::ops {

OpDef reduce_min() {
  OpDef op = reduction("reduce_min", Monoid::kMin);
  op.gradient = extremum_gradient;
  return op;
}

}  // namespace lamina::ops
