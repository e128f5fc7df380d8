// conv_last: x [n, spatial..., c] with the filters w [o, c, window...] gives
// [n, windows..., o]; with `depthwise` every channel has a filter w [c, 1, window...] of its own.
// The same sums as conv in the layout in which channels are neighbours
// (docs/design/convolution.md).
#include "base/check.h"
#include "graph/conv_last_gradients.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

Windows windows_of(const NodeView& node) {
  const Dims& x = node.inputs[0].shape;
  const Dims& w = node.inputs[1].shape;
  require(x.size() >= 2 && x.size() == w.size(),
          "conv_last: input {} and filter {} need the same rank, at least 2", to_string(x),
          to_string(w));
  const bool depthwise = node.attrs.flag("depthwise");
  require(w[1] == (depthwise ? Dim(1) : x.back()) && (!depthwise || w[0] == x.back()),
          "conv_last: the filter {} does not fit {} channels", to_string(w), x.back().to_string());
  return read_windows(node, {x.begin() + 1, x.end() - 1}, {w.begin() + 2, w.end()});
}

std::vector<Type> infer(const NodeView& node) {
  const Windows w = windows_of(node);
  Dims shape = {node.inputs[0].shape[0]};
  shape.insert(shape.end(), w.count.begin(), w.count.end());
  shape.push_back(node.inputs[1].shape[0]);
  return {{promote(node.inputs[0].dtype, node.inputs[1].dtype), shape, {}}};
}

// The channels are reduced last: they are neighbours in memory.
LoopForm loop_form(const NodeView& node) {
  const Windows w = windows_of(node);
  const bool depthwise = node.attrs.flag("depthwise");
  LoopForm form;
  form.extents = infer(node)[0].shape;
  form.output_rank = static_cast<int>(form.extents.size());
  const int filter_loop = form.output_rank - 1;
  const int channel = depthwise ? filter_loop : form.output_rank + static_cast<int>(w.rank());
  Access x{{AxisIndex::of(0)}};
  Access filter{{AxisIndex::of(filter_loop), depthwise ? AxisIndex{} : AxisIndex::of(channel)}};
  for (std::size_t i = 0; i < w.rank(); ++i) {
    const auto k = static_cast<int>(form.extents.size());
    x.axes.push_back(w.element(i, static_cast<int>(1 + i), k));
    filter.axes.push_back(AxisIndex::of(k));
    form.extents.push_back(w.size[i]);
  }
  x.axes.push_back(AxisIndex::of(channel));
  if (!depthwise) form.extents.push_back(node.inputs[0].shape.back());
  form.operands = {x, filter};
  return form;
}

std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  const ConvLast conv{node.input(0), node.input(1), node.grads[0], self.attrs.flag("depthwise")};
  return conv_last_gradients(node.graph, conv, windows_of(self.view()), self.attrs);
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 7, 3}), f32({4, 3, 3})}, .attrs = {{"strides", Dims{2}}}},
          {.inputs = {f32({1, 5, 6, 3}), f32({5, 3, 3, 2})},
           .attrs = {{"strides", Dims{2, 1}},
                     {"dilations", Dims{1, 2}},
                     {"pads_low", Dims{1, 2}},
                     {"pads_high", Dims{2, 0}}}},
          {.inputs = {f32({2, 5, 4, 3}), f32({5, 3, 1, 1})}, .attrs = {{"strides", Dims{2, 2}}}},
          {.inputs = {f32({2, 6, 5, 3}), f32({4, 3, 3, 3})},
           .attrs = {{"strides", Dims{2, 3}}, {"pads_low", Dims{1, 2}}, {"pads_high", Dims{1, 1}}}},
          {.inputs = {f32({2, 5, 4, 3}), f32({3, 1, 3, 3})},
           .attrs = {{"depthwise", true}, {"pads_low", Dims{1, 1}}, {"pads_high", Dims{1, 1}}}}};
}

}  // namespace

OpDef conv_last() {
  OpDef op{.name = "conv_last",
           .kind = Kind::kContract,
           .min_inputs = 2,
           .max_inputs = 2,
           .attrs = window_attrs(),
           .flops = 2.0,
           .infer = infer,
           .loop_form = loop_form,
           .gradient = gradient,
           .samples = samples};
  op.attrs.push_back({"depthwise", AttrKind::kFlag, false});
  return op;
}

}  // namespace lamina::ops
