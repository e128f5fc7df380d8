// The table of operators: one line per file of this folder.
#include <vector>

#include "graph/op_def.h"

// A list macro, so that one line both declares and lists an operator.
#define LAMINA_OPS(X)  \
  X(input)             \
  X(constant)          \
  X(add)               \
  X(sub)               \
  X(mul)               \
  X(div)               \
  X(neg)               \
  X(abs)               \
  X(sign)              \
  X(exp)               \
  X(log)               \
  X(sqrt)              \
  X(rsqrt)             \
  X(cbrt)              \
  X(pow)               \
  X(reciprocal)        \
  X(min)               \
  X(max)               \
  X(erf)               \
  X(sin)               \
  X(cos)               \
  X(tan)               \
  X(asin)              \
  X(acos)              \
  X(atan)              \
  X(sinh)              \
  X(cosh)              \
  X(tanh)              \
  X(asinh)             \
  X(acosh)             \
  X(atanh)             \
  X(floor)             \
  X(ceil)              \
  X(round)             \
  X(trunc)             \
  X(relu)              \
  X(relu6)             \
  X(leaky_relu)        \
  X(elu)               \
  X(selu)              \
  X(celu)              \
  X(clamp)             \
  X(sigmoid)           \
  X(silu)              \
  X(softplus)          \
  X(softsign)          \
  X(hard_sigmoid)      \
  X(hardswish)         \
  X(mish)              \
  X(thresholded_relu)  \
  X(shrink)            \
  X(gelu)              \
  X(mod)               \
  X(fmod)              \
  X(equal)             \
  X(not_equal)         \
  X(less)              \
  X(less_equal)        \
  X(greater)           \
  X(greater_equal)     \
  X(is_nan)            \
  X(is_inf)            \
  X(logical_and)       \
  X(logical_or)        \
  X(logical_xor)       \
  X(logical_not)       \
  X(bit_and)           \
  X(bit_or)            \
  X(bit_xor)           \
  X(shift_left)        \
  X(shift_right)       \
  X(bit_not)           \
  X(select)            \
  X(cast)              \
  X(random_bits)       \
  X(random_uniform)    \
  X(random_normal)     \
  X(sum)               \
  X(matmul)            \
  X(transpose)         \
  X(reshape)           \
  X(broadcast)         \
  X(slice)             \
  X(concat)            \
  X(split)             \
  X(pad)               \
  X(size_value)        \
  X(mean)              \
  X(reduce_max)        \
  X(reduce_min)        \
  X(reduce_prod)       \
  X(gather)            \
  X(gather_elements)   \
  X(gather_nd)         \
  X(scatter)           \
  X(scatter_elements)  \
  X(scatter_nd)        \
  X(iota)              \
  X(tile)              \
  X(one_hot)           \
  X(trilu)             \
  X(extend)            \
  X(cumsum)            \
  X(argmax)            \
  X(argmin)            \
  X(sort)              \
  X(top_k)             \
  X(einsum)            \
  X(grouped_conv)      \
  X(conv_last)         \
  X(conv_last_filters) \
  X(conv)              \
  X(conv_transpose)    \
  X(unfold)            \
  X(fold)              \
  X(max_pool)          \
  X(sum_pool)          \
  X(avg_pool)          \
  X(lp_pool)           \
  X(rms_norm)          \
  X(softmax)           \
  X(log_softmax)       \
  X(logsumexp)         \
  X(layer_norm)        \
  X(group_norm)        \
  X(instance_norm)     \
  X(batch_norm)        \
  X(embedding)         \
  X(rotary)            \
  X(rotary_tables)     \
  X(attention)         \
  X(cross_entropy)     \
  X(if_)               \
  X(loop)              \
  X(thread)            \
  X(load)              \
  X(store)             \
  X(after)             \
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
