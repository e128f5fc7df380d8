// conv_last_filters: of x [n, spatial..., c] and the gradient [n, windows..., o] of a conv_last
// with these windows, the gradient of its filters as [parts, window..., c, o]: of each of `parts`
// equal shares of the batch, so that shares can be computed side by side and added up in a fixed
// order.
#include "base/check.h"
#include "graph/conv_last_gradients.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

Windows windows_of(const NodeView& node) {
  const Dims& x = node.inputs[0].shape;
  const Dims& grad = node.inputs[1].shape;
  const Dims& window = node.attrs.dims("window");
  require(x.size() == window.size() + 2 && grad.size() == x.size() && x[0] == grad[0],
          "conv_last_filters: input {} and gradient {} do not fit a window {}", to_string(x),
          to_string(grad), to_string(window));
  const Windows w = read_windows(node, {x.begin() + 1, x.end() - 1}, window);
  const Dims count(grad.begin() + 1, grad.end() - 1);
  require(w.count == count, "conv_last_filters: {} windows, but the gradient has {}",
          to_string(w.count), to_string(count));
  return w;
}

// Samples of one part.
Dim share(const NodeView& node) {
  const Dim& batch = node.inputs[0].shape[0];
  const std::int64_t parts = node.attrs.integer("parts");
  require(parts > 0 && floor_div(batch, parts) * Dim(parts) == batch,
          "conv_last_filters: {} samples cannot be shared out to {} parts", batch.to_string(),
          parts);
  return floor_div(batch, parts);
}

std::vector<Type> infer(const NodeView& node) {
  const Windows w = windows_of(node);
  share(node);
  Dims shape = {node.attrs.integer("parts")};
  shape.insert(shape.end(), w.size.begin(), w.size.end());
  shape.push_back(node.inputs[0].shape.back());
  shape.push_back(node.inputs[1].shape.back());
  return {{promote(node.inputs[0].dtype, node.inputs[1].dtype), shape, {}}};
}

LoopForm loop_form(const NodeView& node) {
  const Windows w = windows_of(node);
  LoopForm form;
  form.extents = infer(node)[0].shape;
  form.output_rank = static_cast<int>(form.extents.size());
  const int channel = form.output_rank - 2, filter = form.output_rank - 1;
  const int sample = form.output_rank;
  const AxisIndex row{{{0, share(node)}, {sample, 1}}, 0, {}};
  form.extents.push_back(share(node));
  Access x{{row}}, grad{{row}};
  for (std::size_t i = 0; i < w.rank(); ++i) {
    const auto position = static_cast<int>(form.extents.size());
    x.axes.push_back(w.element(i, position, static_cast<int>(1 + i)));
    grad.axes.push_back(AxisIndex::of(position));
    form.extents.push_back(w.count[i]);
  }
  x.axes.push_back(AxisIndex::of(channel));
  grad.axes.push_back(AxisIndex::of(filter));
  form.operands = {x, grad};
  return form;
}

// Both come from the convolution whose filters are the gradient that arrived, part by part.
std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  Graph& g = node.graph;
  const Windows w = windows_of(self.view());
  const Dim samples = share(self.view());
  const auto rank = static_cast<std::int64_t>(w.rank());
  const auto rows = [&](Value v, std::int64_t part) {
    Dims size = g.type(v).shape, start(size.size(), 0);
    size[0] = samples;
    start[0] = samples * Dim(part);
    return g.add("slice", {v}, {{"start", start}, {"size", size}});
  };
  Attrs attrs = self.attrs;
  attrs.erase("window");
  attrs.erase("parts");
  Dims order = {rank + 1, rank}, shape = g.type(node.grads[0]).shape;
  for (std::int64_t i = 0; i < rank; ++i) order.push_back(i);
  shape.erase(shape.begin());
  std::vector<Value> x, grad;
  for (std::int64_t part = 0; part < self.attrs.integer("parts"); ++part) {
    Dims start(shape.size() + 1, 0), size = shape;
    start[0] = part;
    size.insert(size.begin(), 1);
    const Value one = g.add("slice", {node.grads[0]}, {{"start", start}, {"size", size}});
    const Value filter =
        g.add("transpose", {g.add("reshape", {one}, {{"shape", shape}})}, {{"axes", order}});
    const ConvLast conv{rows(node.input(0), part), filter, rows(node.input(1), part)};
    x.push_back(conv_last_gradients(g, conv, w, attrs)[0]);
    grad.push_back(g.add("conv_last", {conv.x, filter}, attrs));
  }
  return {g.add("concat", x, {{"axis", std::int64_t{0}}}),
          g.add("concat", grad, {{"axis", std::int64_t{0}}})};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({4, 7, 3}), f32({4, 3, 5})},
           .attrs = {{"window", Dims{3}}, {"strides", Dims{2}}, {"parts", std::int64_t{2}}}},
          {.inputs = {f32({2, 5, 6, 3}), f32({2, 3, 4, 18})},
           .attrs = {{"window", Dims{3, 2}},
                     {"strides", Dims{2, 1}},
                     {"dilations", Dims{1, 2}},
                     {"pads_low", Dims{1, 0}},
                     {"pads_high", Dims{1, 0}}}},
          {.inputs = {f32({2, 9, 9, 16}), f32({2, 9, 9, 16})},
           .attrs = {{"window", Dims{3, 3}},
                     {"pads_low", Dims{1, 1}},
                     {"pads_high", Dims{1, 1}},
                     {"parts", std::int64_t{2}}}}};
}

}  // namespace

OpDef conv_last_filters() {
  OpDef op{.name = "conv_last_filters",
           .kind = Kind::kContract,
           .min_inputs = 2,
           .max_inputs = 2,
           .attrs = window_attrs(),
           .flops = 2.0,
           .infer = infer,
           .loop_form = loop_form,
           .gradient = gradient,
           .samples = samples};
  op.attrs.push_back({"window", AttrKind::kDims, {}, true});
  op.attrs.push_back({"parts", AttrKind::kInteger, std::int64_t{1}});
  return op;
}

}  // namespace lamina::ops
