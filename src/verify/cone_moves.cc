// Copies: from the box that is asked for to the boxes that it is copied from.
#include <algorithm>
#include <numeric>
#include <optional>

#include "base/check.h"
#include "verify/cone_builder.h"

namespace lamina {
namespace {

// The elements that a copy writes; nullopt: no box, or each of them more than once.
std::optional<Box> written(const Copy& copy) {
  if (copy.to.flat || copy.combine != Combine::kSet) return std::nullopt;
  const Shape extents = *constant_shape(copy.extents);
  Box box;
  std::vector<bool> used(extents.size(), false);
  for (const AxisIndex& axis : copy.to.axes) {
    if (axis.loops.size() > 1 || !axis.indirect.empty()) return std::nullopt;
    box.start.push_back(axis.offset.constant_part());
    box.length.push_back(1);
    if (axis.loops.empty()) continue;
    const auto loop = static_cast<std::size_t>(axis.loops[0].loop);
    if (used[loop] || axis.loops[0].coefficient != Dim(1)) return std::nullopt;
    used[loop] = true;
    box.length.back() = extents[loop];
  }
  for (std::size_t loop = 0; loop < extents.size(); ++loop) {
    if (!used[loop] && extents[loop] != 1) return std::nullopt;
  }
  return box;
}

bool is_reshape(const MoveForm& form) {
  return form.copies.size() == 1 && form.copies[0].operand >= 0 && form.copies[0].from.flat &&
         form.copies[0].to.flat && form.copies[0].combine == Combine::kSet;
}

// The axes [first, end) of two shapes of equal products.
struct AxisGroup {
  std::size_t from = 0, from_end = 0;
  std::size_t to = 0, to_end = 0;
};

std::vector<AxisGroup> group_axes(const Shape& from, const Shape& to) {
  std::vector<AxisGroup> groups;
  AxisGroup group;
  std::int64_t a = 1;
  std::int64_t b = 1;
  while (group.from_end < from.size() || group.to_end < to.size()) {
    const bool more = group.to_end == to.size() || (a <= b && group.from_end < from.size());
    more ? a *= from[group.from_end++] : b *= to[group.to_end++];
    if (a != b) continue;
    groups.push_back(group);
    group = {group.from_end, group.from_end, group.to_end, group.to_end};
    a = b = 1;
  }
  return groups;
}

// Row-major numbers [first, end) of a box's elements among some axes of a shape.
struct FlatRange {
  std::int64_t first = 0;
  std::int64_t end = 0;
};

FlatRange flat_range(const Shape& shape, const Box& box, std::size_t axis, std::size_t axis_end) {
  FlatRange range;
  std::int64_t last = 0;
  for (; axis < axis_end; ++axis) {
    range.first = range.first * shape[axis] + box.start[axis];
    last = last * shape[axis] + box.end(axis) - 1;
  }
  range.end = last + 1;
  return range;
}

// Sets these axes of `box` to the least box whose elements are consecutive and hold the range.
void set_axes(const Shape& shape, FlatRange range, std::size_t axis, std::size_t axis_end,
              Box& box) {
  std::int64_t stride = 1;
  for (std::size_t i = axis; i < axis_end; ++i) stride *= shape[i];
  std::int64_t first = range.first;
  std::int64_t last = range.end - 1;
  bool single = true;  // so far both ends agree
  for (; axis < axis_end; ++axis) {
    stride /= shape[axis];
    box.start[axis] = single ? first / stride : 0;
    box.length[axis] = single ? last / stride - first / stride + 1 : shape[axis];
    single = single && box.length[axis] == 1;
    first %= stride;
    last %= stride;
  }
}

}  // namespace

Value ConeBuilder::moved(const Scope& scope, Value value, const Box& box) {
  const Node& node = scope.graph->node(value);
  const std::vector<Type> types = input_types(scope, node);
  const MoveForm form = node.op->move_form({*node.op, types, node.attrs, node.graphs});
  if (is_reshape(form)) return reshaped(scope, value, box);
  for (auto copy = form.copies.rbegin(); copy != form.copies.rend(); ++copy) {
    if (copy->output != value.output) continue;
    const std::optional<Box> region = written(*copy);
    if (!region) return cut_loops(scope, value, box);
    if (!overlap(box, *region)) continue;
    for (std::size_t axis = 0; axis < box.start.size(); ++axis) {
      for (const std::int64_t place : {region->start[axis], region->end(axis)}) {
        if (box.start[axis] < place && place < box.end(axis)) {
          return joined(scope, value, box, axis, place);
        }
      }
    }
    return copied(scope, value, box, *copy);
  }
  return filled(0.0, type(scope, value).dtype, box.length);
}

// One copy writes all of the box.
Value ConeBuilder::copied(const Scope& scope, Value value, const Box& box, const Copy& copy) {
  const Node& node = scope.graph->node(value);
  if (copy.operand == Copy::kFill) {
    const double fill = copy.fill + static_cast<double>(copy.fill_size.constant_part());
    return filled(fill, type(scope, value).dtype, box.length);
  }
  if (copy.operand == Copy::kIndex || copy.from.flat) return whole(scope, value, box);
  const Value source = node.inputs[static_cast<std::size_t>(copy.operand)];
  const Shape shape = *constant_shape(type(scope, source).shape);
  std::vector<int> axis_of(copy.extents.size(), -1);  // of the output, by loop
  std::vector<std::int64_t> first(copy.extents.size(), 0);
  for (std::size_t i = 0; i < box.start.size(); ++i) {
    const AxisIndex& to = copy.to.axes[i];
    if (to.loops.empty()) continue;
    const auto loop = static_cast<std::size_t>(to.loops[0].loop);
    axis_of[loop] = static_cast<int>(i);
    first[loop] = box.start[i] - to.offset.constant_part();
  }
  Box from;
  Dims start, size, step;
  std::vector<int> axes;  // of the output, by axis of the operand; -1: none
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const AxisIndex& index = copy.from.axes[i];
    if (!index.indirect.empty()) return cut_loops(scope, value, box);
    std::int64_t at = index.offset.constant_part();
    std::int64_t count = 1;
    std::int64_t stride = 1;
    axes.push_back(-1);
    for (const AxisIndex::LoopTerm& term : index.loops) {
      const auto loop = static_cast<std::size_t>(term.loop);
      at += term.coefficient.constant_part() * first[loop];
      const int axis = axis_of[loop];
      if (axis < 0 || box.length[static_cast<std::size_t>(axis)] == 1) continue;
      if (axes.back() >= 0) return whole(scope, value, box);
      axes.back() = axis;
      count = box.length[static_cast<std::size_t>(axis)];
      stride = term.coefficient.constant_part();
    }
    const std::int64_t reach = (count - 1) * stride;
    from.start.push_back(std::min(at, at + reach));
    from.length.push_back(std::abs(reach) + 1);
    if (stride == 0 || from.start[i] < 0 || from.end(i) > shape[i]) {
      return whole(scope, value, box);
    }
    start.push_back(at - from.start[i]);
    size.push_back(count);
    step.push_back(stride);
  }
  Value result = emit(scope, source, from);
  if (type(result).shape != size ||
      std::any_of(step.begin(), step.end(), [](const Dim& s) { return s < Dim(0); })) {
    result = add("slice", {result}, {{"start", start}, {"size", size}, {"step", step}});
  }
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] >= 0 && std::count(axes.begin(), axes.end(), axes[i]) > 1) {
      return whole(scope, value, box);  // a diagonal
    }
  }
  return arranged(result, axes, box.length);
}

// The axes of `value` (axis i belongs to axis axes[i], the others have length 1) in the order of
// `shape`, broadcast along the axes that none belongs to.
Value ConeBuilder::arranged(Value value, const std::vector<int>& axes, const Shape& shape) {
  std::vector<std::int64_t> order(axes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t x, std::int64_t y) {
    return axes[static_cast<std::size_t>(x)] < axes[static_cast<std::size_t>(y)];
  });
  if (!std::is_sorted(order.begin(), order.end())) {
    value = add("transpose", {value}, {{"axes", Dims(order.begin(), order.end())}});
  }
  Dims kept(shape.size(), Dim(1));
  for (const int axis : axes) {
    if (axis >= 0) kept[static_cast<std::size_t>(axis)] = shape[static_cast<std::size_t>(axis)];
  }
  if (type(value).shape != kept) value = add("reshape", {value}, {{"shape", kept}});
  const Dims wanted(shape.begin(), shape.end());
  return kept == wanted ? value : add("broadcast", {value}, {{"shape", wanted}});
}

// Per group of axes a range of row-major numbers is cut out.
Value ConeBuilder::reshaped(const Scope& scope, Value value, const Box& box) {
  const Value source = scope.graph->node(value).inputs[0];
  const Shape from = *constant_shape(type(scope, source).shape);
  const Shape to = *constant_shape(type(scope, value).shape);
  if (element_count(to) == 0) return whole(scope, value, box);
  Box needed = whole_box(from);
  Box given = box;  // consecutive elements
  Dims flat, flat_start, flat_size;
  for (const AxisGroup& group : group_axes(from, to)) {
    set_axes(to, flat_range(to, box, group.to, group.to_end), group.to, group.to_end, given);
    const FlatRange range = flat_range(to, given, group.to, group.to_end);
    set_axes(from, range, group.from, group.from_end, needed);
    const FlatRange all = flat_range(from, needed, group.from, group.from_end);
    flat.push_back(all.end - all.first);
    flat_start.push_back(range.first - all.first);
    flat_size.push_back(range.end - range.first);
  }
  Value result = emit(scope, source, needed);
  if (flat != flat_size) {
    result = add("reshape", {result}, {{"shape", flat}});
    result = add("slice", {result}, {{"start", flat_start}, {"size", flat_size}, {"step", Dims{}}});
  }
  const Dims wanted(given.length.begin(), given.length.end());
  if (type(result).shape != wanted) result = add("reshape", {result}, {{"shape", wanted}});
  return part(result, relative_to(given.start, box));
}

Value ConeBuilder::joined(const Scope& scope, Value value, const Box& box, std::size_t axis,
                          std::int64_t place) {
  Box low = box;
  Box high = box;
  low.length[axis] = place - box.start[axis];
  high.start[axis] = place;
  high.length[axis] = box.end(axis) - place;
  const std::vector<Value> halves = {emit(scope, value, low), emit(scope, value, high)};
  return add("concat", halves, {{"axis", static_cast<std::int64_t>(axis)}});
}

}  // namespace lamina
