// avg_pool: the mean of every window, over the elements it covers; with `count_padding` over the
// padded positions too (but not those beyond, which ceil_mode adds).
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    Attrs attrs = node.attrs;
    attrs.erase("count_padding");
    const Windows w = pooling_windows(node);
    const Dims& shape = node.inputs[0].shape;
    Dims covered(shape.end() - static_cast<std::ptrdiff_t>(w.rank()), shape.end());
    Attrs counting = attrs;
    if (node.attrs.flag("count_padding")) {
      for (std::size_t i = 0; i < w.rank(); ++i) covered[i] = covered[i] + w.low[i] + w.high[i];
      counting.set("pads_low", Dims{});
      counting.set("pads_high", Dims{});
    }
    const Value ones = filled(g, {g.type(x[0]).dtype, covered, {}}, 1.0);
    return g.add("div", {g.add("sum_pool", {x[0]}, attrs), g.add("sum_pool", {ones}, counting)});
  });
}

}  // namespace

OpDef avg_pool() {
  OpDef op = pooling("avg_pool", Kind::kRegion);
  op.attrs.push_back({"count_padding", AttrKind::kFlag, false});
  op.expand = expand;
  return op;
}

}  // namespace lamina::ops
