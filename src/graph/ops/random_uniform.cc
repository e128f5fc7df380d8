// random_uniform: f32 values uniform in [0, 1), multiples of 2^-24, from i64 counters and a seed.
#include "graph/kinds.h"
#include "graph/random.h"

namespace lamina::ops {
namespace {

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    const Expr bits = call("random_bits", {Expr{&g, x[0]}}, node.attrs);
    return random_mantissa(bits, 0) * 0x1p-24;
  });
}

}  // namespace

OpDef random_uniform() { return random_distribution("random_uniform", expand); }

}  // namespace lamina::ops
