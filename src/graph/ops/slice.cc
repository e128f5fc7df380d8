// slice: along every axis the elements start, start + step, ..., `size` of them. A negative step
// walks backwards (reverse: start n - 1, step -1, size n).
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

// A range that leaves the axis is refused as soon as its numbers are known.
void check_range(std::size_t axis, const Dim& extent, const Dim& start, const Dim& size,
                 std::int64_t step) {
  const Dim last = start + (size - Dim(1)) * Dim(step);
  const auto n = extent.constant();
  const auto count = size.constant();
  require(step != 0, "slice: the step of axis {} is 0", axis);
  if (count) require(*count >= 0, "slice: axis {} has the size {}", axis, *count);
  if (!n || !count || *count == 0 || !start.is_constant()) return;
  const auto inside = [&](const Dim& at) { return at >= Dim(0) && at.constant_part() < *n; };
  require(inside(start) && inside(last), "slice: elements {} to {} of axis {}, which has {}",
          start.to_string(), last.to_string(), axis, *n);
}

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  const std::size_t rank = x.shape.size();
  const Dims start = per_axis(node, "start", rank, 0);
  const Dims& size = node.attrs.dims("size");
  const std::vector<std::int64_t> step = numbers_per_axis(node, "step", rank, 1);
  require(size.size() == rank, "slice: size lists {} values for {} axes", size.size(), rank);
  for (std::size_t i = 0; i < rank; ++i) check_range(i, x.shape[i], start[i], size[i], step[i]);
  return {{element_dtype(x), size, {}}};
}

MoveForm move_form(const NodeView& node) {
  const Dims& size = node.attrs.dims("size");
  const Dims start = per_axis(node, "start", size.size(), 0);
  const Dims step = per_axis(node, "step", size.size(), 1);
  Copy copy = whole_copy(0, size);
  for (std::size_t i = 0; i < size.size(); ++i) {
    copy.from.axes[i] = AxisIndex::of(static_cast<int>(i), step[i], start[i]);
  }
  return {{copy}};
}

// The elements return to their places: backward axes are turned round, then pad spreads them out.
std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  const Type& x = self.types[0];
  const std::size_t rank = x.shape.size();
  const std::vector<std::int64_t> step = numbers_per_axis(self.view(), "step", rank, 1);
  const Dims& size = self.attrs.dims("size");
  Dims low = per_axis(self.view(), "start", rank, 0);
  Dims high(rank), interior(rank), turn_start(rank), turn_step(rank, Dim(1));
  bool turned = false;
  for (std::size_t i = 0; i < rank; ++i) {
    if (size[i] == Dim(0)) return {filled(node.graph, x, 0.0)};
    const Dim reach = (size[i] - Dim(1)) * Dim(std::abs(step[i]));
    if (step[i] < 0) {
      turned = true;
      turn_start[i] = size[i] - Dim(1);
      turn_step[i] = -1;
      low[i] = low[i] - reach;
    }
    interior[i] = std::abs(step[i]) - 1;
    high[i] = x.shape[i] - low[i] - reach - Dim(1);
  }
  Value g = node.grads[0];
  if (turned) {
    g = node.graph.add("slice", {g}, {{"start", turn_start}, {"size", size}, {"step", turn_step}});
  }
  return {node.graph.add("pad", {g}, {{"low", low}, {"high", high}, {"interior", interior}})};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({5, 6})}, .attrs = {{"start", Dims{1, 0}}, {"size", Dims{3, 6}}}},
          {.inputs = {f32({7, 4})},
           .attrs = {{"start", Dims{6, 1}}, {"size", Dims{3, 2}}, {"step", Dims{-3, 2}}}},
          {.inputs = {f32({3})}, .attrs = {{"start", Dims{2}}, {"size", Dims{0}}}}};
}

}  // namespace

OpDef slice() {
  return {.name = "slice",
          .kind = Kind::kMove,
          .attrs = {{"start", AttrKind::kDims, Dims{}},
                    {"size", AttrKind::kDims, {}, true},
                    {"step", AttrKind::kDims, Dims{}}},
          .infer = infer,
          .move_form = move_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
