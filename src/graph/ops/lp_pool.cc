// lp_pool: the p-norm of every window.
#include "base/check.h"
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    const double p = node.attrs.real("p");
    require(p > 0, "lp_pool: p is {}, expected a positive number", p);
    Attrs attrs = node.attrs;
    attrs.erase("p");
    if (p == 2.0) {
      return g.add("sqrt", {g.add("sum_pool", {g.add("mul", {x[0], x[0]})}, attrs)});
    }
    const Value powers = g.add("pow", {g.add("abs", {x[0]}), scalar(g, x[0], p)});
    return g.add("pow", {g.add("sum_pool", {powers}, attrs), scalar(g, x[0], 1.0 / p)});
  });
}

}  // namespace

OpDef lp_pool() {
  OpDef op = pooling("lp_pool", Kind::kRegion);
  op.attrs.push_back({"p", AttrKind::kReal, 2.0});
  op.expand = expand;
  return op;
}

}  // namespace lamina::ops
