// max_pool: the largest element of every window (no gradient yet: it comes with training).
#include "graph/windows.h"

namespace lamina::ops {

OpDef max_pool() {
  OpDef op = pooling("max_pool", Kind::kReduce);
  op.loop_form = pooling_form;
  op.monoid = Monoid::kMax;
  return op;
}

}  // namespace lamina::ops
