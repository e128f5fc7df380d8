// Geometry of sliding windows and the form of pooling.
#include "graph/windows.h"

#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina {
namespace {

// The number of windows along axis i (PyTorch's rule for ceil_mode).
Dim window_count(const NodeView& node, const Windows& w, std::size_t i, const Dim& extent,
                 bool ceil_mode) {
  const Dim room = extent + w.low[i] + w.high[i] - w.reach(i);
  const Dim stride = w.stride[i];
  require(!room.is_constant() || room.constant_part() >= 0,
          "{}: a window of {} does not fit into the {} positions of spatial axis {}", node.op.name,
          w.reach(i).to_string(), (room + w.reach(i)).to_string(), i);
  if (!ceil_mode) return floor_div(room, stride) + Dim(1);
  const Dim excess = w.high[i] + stride - w.reach(i);
  require(excess.is_constant(), "{}: ceil_mode needs padding and windows of known size",
          node.op.name);
  // Otherwise the last window would begin behind the last element.
  if (excess.constant_part() > 0) return ceil_div(extent + w.low[i], stride);
  return ceil_div(room, stride) + Dim(1);
}

std::vector<Type> infer_pooling(const NodeView& node) {
  const Type& x = node.inputs[0];
  const Windows w = pooling_windows(node);
  Type out{element_dtype(x), x.shape, {}};
  const std::size_t first = x.shape.size() - w.rank();
  for (std::size_t i = 0; i < w.rank(); ++i) out.shape[first + i] = w.count[i];
  return {out};
}

std::vector<Sample> pooling_samples() {
  return {{.inputs = {f32({2, 3, 7})}, .attrs = {{"window", Dims{3}}, {"strides", Dims{2}}}},
          {.inputs = {f32({1, 2, 5, 6})},
           .attrs = {{"window", Dims{2, 3}},
                     {"strides", Dims{2, 2}},
                     {"pads_low", Dims{1, 0}},
                     {"pads_high", Dims{0, 1}},
                     {"ceil_mode", true}}},
          {.inputs = {f32({1, 1, 9})},
           .attrs = {{"window", Dims{3}}, {"dilations", Dims{2}}, {"pads_low", Dims{1}}}}};
}

}  // namespace

AxisIndex Windows::element(std::size_t i, int w, int k) const {
  return {{{w, stride[i]}, {k, dilation[i]}}, Dim(0) - low[i], {}};
}

std::vector<AttrSpec> window_attrs() {
  return {{"strides", AttrKind::kDims, Dims{}},
          {"dilations", AttrKind::kDims, Dims{}},
          {"pads_low", AttrKind::kDims, Dims{}},
          {"pads_high", AttrKind::kDims, Dims{}}};
}

Windows read_windows(const NodeView& node, const Dims& spatial, const Dims& size, bool ceil_mode) {
  const std::size_t rank = spatial.size();
  Windows w;
  w.size = size;
  w.stride = numbers_per_axis(node, "strides", rank, 1);
  w.dilation = numbers_per_axis(node, "dilations", rank, 1);
  w.low = per_axis(node, "pads_low", rank, 0);
  w.high = per_axis(node, "pads_high", rank, 0);
  for (std::size_t i = 0; i < rank; ++i) {
    require(w.stride[i] > 0 && w.dilation[i] > 0, "{}: stride {} and dilation {} of axis {}",
            node.op.name, w.stride[i], w.dilation[i], i);
    w.count.push_back(window_count(node, w, i, spatial[i], ceil_mode));
  }
  return w;
}

Windows pooling_windows(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  const Dims& size = node.attrs.dims("window");
  require(!size.empty() && size.size() <= shape.size(), "{}: a window {} over the shape {}",
          node.op.name, to_string(size), to_string(shape));
  const auto first = static_cast<std::ptrdiff_t>(shape.size() - size.size());
  return read_windows(node, {shape.begin() + first, shape.end()}, size,
                      node.attrs.flag("ceil_mode"));
}

WindowLoops window_loops(const Dims& leading, const Windows& windows) {
  WindowLoops loops{leading, {}};
  loops.extents.insert(loops.extents.end(), windows.count.begin(), windows.count.end());
  loops.elements = whole_access(loops.extents);
  for (std::size_t i = 0; i < windows.rank(); ++i) {
    const std::size_t axis = leading.size() + i;
    const auto k = static_cast<int>(loops.extents.size());
    loops.elements.axes[axis] = windows.element(i, static_cast<int>(axis), k);
    loops.extents.push_back(windows.size[i]);
  }
  return loops;
}

LoopForm pooling_form(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  const Windows windows = pooling_windows(node);
  const auto first = static_cast<std::ptrdiff_t>(shape.size() - windows.rank());
  WindowLoops loops = window_loops({shape.begin(), shape.begin() + first}, windows);
  return {loops.extents, static_cast<int>(shape.size()), {loops.elements}};
}

OpDef pooling(std::string_view name, Kind kind) {
  OpDef op{.name = name, .kind = kind, .infer = infer_pooling, .samples = pooling_samples};
  op.attrs = window_attrs();
  op.attrs.push_back({"window", AttrKind::kDims, {}, true});
  op.attrs.push_back({"ceil_mode", AttrKind::kFlag, false});
  return op;
}

}  // namespace lamina
