// pad: puts `low` elements before, `high` after and `interior` between the elements of every axis,
// all of them `value`. Negative low and high cut elements off.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  const std::size_t rank = x.shape.size();
  const Dims low = per_axis(node, "low", rank, 0);
  const Dims high = per_axis(node, "high", rank, 0);
  const std::vector<std::int64_t> interior = numbers_per_axis(node, "interior", rank, 0);
  Type out{element_dtype(x), {}, {}};
  for (std::size_t i = 0; i < rank; ++i) {
    require(interior[i] >= 0, "pad: interior {} is negative", interior[i]);
    const Dim gaps = x.shape[i] == Dim(0) ? Dim(0) : x.shape[i] - Dim(1);
    out.shape.push_back(low[i] + x.shape[i] + gaps * Dim(interior[i]) + high[i]);
    const bool cut_off = out.shape[i].is_constant() && out.shape[i].constant_part() < 0;
    require(!cut_off, "pad: low {} and high {} cut off more than the {} elements of axis {}",
            low[i].to_string(), high[i].to_string(), x.shape[i].to_string(), i);
  }
  return {out};
}

MoveForm move_form(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  const Dims low = per_axis(node, "low", shape.size(), 0);
  const Dims interior = per_axis(node, "interior", shape.size(), 0);
  Copy copy = whole_copy(0, shape);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    copy.to.axes[i] = AxisIndex::of(static_cast<int>(i), interior[i] + Dim(1), low[i]);
  }
  return {{fill_copy(node.attrs.real("value"), infer(node)[0].shape), copy}};
}

// Padding by the negated amounts cuts off what was added and gives zeros for what was cut off.
std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  const Dims& shape = self.types[0].shape;
  Dims low = per_axis(self.view(), "low", shape.size(), 0);
  Dims high = per_axis(self.view(), "high", shape.size(), 0);
  Dims step = per_axis(self.view(), "interior", shape.size(), 0);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    low[i] = Dim(0) - low[i];
    high[i] = Dim(0) - high[i];
    step[i] = step[i] + Dim(1);
  }
  const Value cut = node.graph.add("pad", {node.grads[0]}, {{"low", low}, {"high", high}});
  if (step == Dims(shape.size(), Dim(1))) return {cut};
  return {node.graph.add("slice", {cut}, {{"size", shape}, {"step", step}})};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 4})},
           .attrs = {{"low", Dims{1, 0}}, {"high", Dims{2, 3}}, {"value", 1.5}}},
          {.inputs = {f32({4, 5})}, .attrs = {{"low", Dims{-1, 2}}, {"high", Dims{1, -3}}}},
          {.inputs = {f32({3, 2})},
           .attrs = {{"low", Dims{1, -1}}, {"high", Dims{0, 1}}, {"interior", Dims{2, 1}}}}};
}

}  // namespace

OpDef pad() {
  return {.name = "pad",
          .kind = Kind::kMove,
          .attrs = {{"low", AttrKind::kDims, Dims{}},
                    {"high", AttrKind::kDims, Dims{}},
                    {"interior", AttrKind::kDims, Dims{}},
                    {"value", AttrKind::kReal, 0.0}},
          .infer = infer,
          .move_form = move_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
