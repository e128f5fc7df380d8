// grouped_conv: x [n, g, c, spatial...] with the filters w [g, o, c, window...] gives
// [n, g, o, windows...]. The primitive behind conv: groups as an axis keep every access affine.
#include "base/check.h"
#include "graph/convolution.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

constexpr std::size_t kLeading = 3;  // axes before the spatial ones

Windows windows_of(const NodeView& node) {
  const Dims& x = node.inputs[0].shape;
  const Dims& w = node.inputs[1].shape;
  require(x.size() >= kLeading && x.size() == w.size(),
          "grouped_conv: input {} and filter {} need the same rank, at least 3", to_string(x),
          to_string(w));
  require(x[1] == w[0], "grouped_conv: input has {} groups but the filter {}", x[1].to_string(),
          w[0].to_string());
  require(x[2] == w[2], "grouped_conv: input has {} channels per group but the filter expects {}",
          x[2].to_string(), w[2].to_string());
  return read_windows(node, {x.begin() + kLeading, x.end()}, {w.begin() + kLeading, w.end()});
}

std::vector<Type> infer(const NodeView& node) {
  const Windows w = windows_of(node);
  const Dims& x = node.inputs[0].shape;
  Dims shape = {x[0], x[1], node.inputs[1].shape[1]};
  shape.insert(shape.end(), w.count.begin(), w.count.end());
  return {{promote(node.inputs[0].dtype, node.inputs[1].dtype), shape, {}}};
}

LoopForm loop_form(const NodeView& node) {
  const Windows w = windows_of(node);
  LoopForm form;
  form.extents = infer(node)[0].shape;
  form.output_rank = static_cast<int>(form.extents.size());
  const int channel = form.output_rank;
  form.extents.push_back(node.inputs[0].shape[2]);
  Access x{{AxisIndex::of(0), AxisIndex::of(1), AxisIndex::of(channel)}};
  Access filter{{AxisIndex::of(1), AxisIndex::of(2), AxisIndex::of(channel)}};
  for (std::size_t i = 0; i < w.rank(); ++i) {
    const auto k = static_cast<int>(form.extents.size());
    x.axes.push_back(w.element(i, static_cast<int>(kLeading + i), k));
    filter.axes.push_back(AxisIndex::of(k));
    form.extents.push_back(w.size[i]);
  }
  form.operands = {x, filter};
  return form;
}

std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  return grouped_conv_gradients(node.graph, {node.input(0), node.input(1), node.grads[0]},
                                windows_of(self.view()), self.attrs);
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 1, 3, 7}), f32({1, 4, 3, 3})}, .attrs = {{"strides", Dims{2}}}},
          {.inputs = {f32({1, 2, 2, 5, 6}), f32({2, 3, 2, 3, 2})},
           .attrs = {{"strides", Dims{2, 1}},
                     {"dilations", Dims{1, 2}},
                     {"pads_low", Dims{1, 2}},
                     {"pads_high", Dims{2, 0}}}}};
}

}  // namespace

OpDef grouped_conv() {
  return {.name = "grouped_conv",
          .kind = Kind::kContract,
          .min_inputs = 2,
          .max_inputs = 2,
          .attrs = window_attrs(),
          .flops = 2.0,
          .infer = infer,
          .loop_form = loop_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
