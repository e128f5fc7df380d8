// tile: the whole tensor repeats[i] times along every axis i.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  const Dims& repeats = node.attrs.dims("repeats");
  require(repeats.size() == x.shape.size(), "tile: {} repeats for a tensor of rank {}",
          repeats.size(), x.shape.size());
  Type out{element_dtype(x), x.shape, {}};
  for (std::size_t i = 0; i < repeats.size(); ++i) out.shape[i] = x.shape[i] * repeats[i];
  return {out};
}

// [r0, n0, r1, n1, ...]: the output with the repetitions as axes of their own.
Dims unfolded(const Dims& repeats, const Dims& shape) {
  Dims result;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    result.push_back(repeats[i]);
    result.push_back(shape[i]);
  }
  return result;
}

MoveForm move_form(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  Copy copy;
  copy.extents = unfolded(node.attrs.dims("repeats"), shape);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto repeat = static_cast<int>(2 * i);
    copy.from.axes.push_back(AxisIndex::of(repeat + 1));
    copy.to.axes.push_back(AxisIndex{{{repeat, shape[i]}, {repeat + 1, 1}}, 0, {}});
  }
  return {{copy}};
}

std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  const Dims& shape = self.types[0].shape;
  if (shape.empty()) return {node.grads[0]};
  Dims repeated;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    repeated.push_back(static_cast<std::int64_t>(2 * i));
  }
  const Value parts = node.graph.add("reshape", {node.grads[0]},
                                     {{"shape", unfolded(self.attrs.dims("repeats"), shape)}});
  return {node.graph.add("sum", {parts}, {{"axes", repeated}})};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3})}, .attrs = {{"repeats", Dims{2, 1}}}},
          {.inputs = {f32({3})}, .attrs = {{"repeats", Dims{4}}}}};
}

}  // namespace

OpDef tile() {
  return {.name = "tile",
          .kind = Kind::kMove,
          .attrs = {{"repeats", AttrKind::kDims, {}, true}},
          .infer = infer,
          .move_form = move_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
