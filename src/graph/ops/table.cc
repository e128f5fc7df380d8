// The table of operators: one line per file of this folder.
#include <vector>

#include "graph/op_def.h"

// A list macro, so that one line both declares and lists an operator.
#define LAMINA_OPS(X) \
  X(input)            \
  X(constant)         \
  X(add)              \
  X(mul)              \
  X(div)              \
  X(exp)              \
  X(rsqrt)            \
  X(silu)             \
  X(sum)              \
  X(matmul)           \
  X(transpose)        \
  X(reshape)          \
  X(broadcast)        \
  X(slice)            \
  X(concat)           \
  X(split)            \
  X(pad)              \
  X(size_value)       \
  X(mean)             \
  X(reduce_max)       \
  X(reduce_min)       \
  X(reduce_prod)      \
  X(rms_norm)         \
  X(load)             \
  X(store)            \
  X(after)            \
  X(block)

namespace lamina {
namespace ops {

#define LAMINA_DECLARE(name) OpDef name();
LAMINA_OPS(LAMINA_DECLARE)
#undef LAMINA_DECLARE

}  // namespace ops

std::span<const OpDef> all_ops() {
#define LAMINA_LIST(name) ops::name(),
  static const std::vector<OpDef> table = {LAMINA_OPS(LAMINA_LIST)};
#undef LAMINA_LIST
  return table;
}

}  // namespace lamina
