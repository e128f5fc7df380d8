// random_normal: f32 values of the standard normal distribution, from i64 counters and a seed.
//
// Box and Muller (1958): sqrt(-2 log u) cos(2 pi v) with u in (0, 1] and v in [0, 1), each of 24
// bits, so that no value lies beyond sqrt(48 log 2) = 5.77. The cosine is the sine of
// 2 pi (|v - 1/2| - 1/4), whose differences are exact: f32 keeps small values to full precision.
#include "graph/kinds.h"
#include "graph/random.h"

namespace lamina::ops {
namespace {

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    constexpr double kTwoPi = 6.283185307179586;
    const Expr bits = call("random_bits", {Expr{&g, x[0]}}, node.attrs);
    const Expr u = (random_mantissa(bits, 0) + 1.0) * 0x1p-24;
    const Expr v = random_mantissa(bits, 32) * 0x1p-24;
    const Expr turn = call("abs", {v - 0.5}) - 0.25;
    return call("sqrt", {-2.0 * call("log", {u})}) * call("sin", {kTwoPi * turn});
  });
}

}  // namespace

OpDef random_normal() { return random_distribution("random_normal", expand); }

}  // namespace lamina::ops
