// Strides and offsets of views.
#include "exec/cpu/block_views.h"

#include "base/check.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cpu {
namespace {

const Dims& operand_shape(const Graph& graph, const Node& node) {
  return graph.type(node.inputs[0]).shape;
}

// Axes that a reshape leaves alone: the same size, with the same product of sizes before.
int reshape_source(const Graph& graph, const Node& node, int axis) {
  const Dims& to = node.types[0].shape;
  const Dims& from = operand_shape(graph, node);
  const Dim before = product(Dims(to.begin(), to.begin() + axis));
  Dim seen = 1;
  for (std::size_t a = 0; a < from.size(); ++a) {
    if (seen == before && from[a] == to[static_cast<std::size_t>(axis)] && from[a] != Dim(1)) {
      return static_cast<int>(a);
    }
    seen = seen * from[a];
  }
  return -1;
}

// Strides of a reshape that splits or joins axes, when the whole value lies together.
Dims joined_strides(const Graph& graph, const Node& node, const BlockValue& from) {
  const Dims& old = operand_shape(graph, node);
  Dim step = 1;
  bool together = true;
  for (std::size_t axis = old.size(); axis-- > 0;) {
    if (old[axis] == Dim(1)) continue;
    together = together && from.place.strides[axis] == step && from.cuts[axis] < 0;
    step = step * old[axis];
  }
  if (!together) {
    fail(ErrorCode::kUnsupported, "block: reshape of {} to {}, which do not lie alike in memory",
         to_string(old), to_string(node.types[0].shape));
  }
  return dim_strides(node.types[0].shape);
}

Place reshaped(const Graph& graph, const Node& node, const BlockValue& from) {
  const Dims& to = node.types[0].shape;
  Place place = from.place;
  place.strides.assign(to.size(), Dim(0));
  place.input_axis.assign(to.size(), -1);
  bool kept = true;
  for (std::size_t axis = 0; axis < to.size(); ++axis) {
    if (to[axis] == Dim(1)) continue;
    const int source = reshape_source(graph, node, static_cast<int>(axis));
    kept = kept && source >= 0;
    if (source < 0) continue;
    const auto s = static_cast<std::size_t>(source);
    place.strides[axis] = from.place.strides[s];
    if (place.input >= 0) place.input_axis[axis] = from.place.input_axis[s];
  }
  if (!kept) {
    place.strides = joined_strides(graph, node, from);
    place.input = -1;
  }
  return place;
}

// A cut axis must be walked whole: its length is only known when the block runs.
bool walks(const AxisIndex& axis, const Dim& extent, const Copy& copy) {
  return axis.offset == Dim(0) && axis.loops.size() == 1 && axis.loops[0].coefficient == Dim(1) &&
         copy.extents[static_cast<std::size_t>(axis.loops[0].loop)] == extent;
}

void add_axis(Place& place, const Place& from, const Copy& copy, std::size_t axis) {
  for (const auto& term : copy.from.axes[axis].loops) {
    for (std::size_t o = 0; o < place.strides.size(); ++o) {
      if (loop_of(copy, static_cast<int>(o)) != term.loop) continue;
      place.strides[o] = place.strides[o] + term.coefficient * from.strides[axis];
      if (term.coefficient != Dim(1)) place.input = -1;
      if (place.input >= 0) place.input_axis[o] = from.input_axis[axis];
    }
  }
}

}  // namespace

Copy only_copy(const Graph& graph, const Node& node) {
  std::vector<Type> types;
  const MoveForm form = node.op->move_form(view(graph, node, types));
  if (form.copies.size() != 1 || node.types.size() != 1) {
    fail(ErrorCode::kUnsupported, "{} inside a block on the CPU", node.op->name);
  }
  return form.copies[0];
}

int loop_of(const Copy& copy, int axis) {
  const AxisIndex& to = copy.to.axes[static_cast<std::size_t>(axis)];
  const bool plain = to.loops.size() == 1 && to.loops[0].coefficient == Dim(1) &&
                     to.offset == Dim(0) && to.indirect.empty();
  return plain ? to.loops[0].loop : -1;
}

int source_axis(const Graph& graph, const Node& node, int axis) {
  if (node.op->name == "reshape") return reshape_source(graph, node, axis);
  const Copy copy = only_copy(graph, node);
  const int loop = loop_of(copy, axis);
  for (std::size_t a = 0; a < copy.from.axes.size(); ++a) {
    const auto& terms = copy.from.axes[a].loops;
    if (terms.size() == 1 && terms[0].loop == loop) return static_cast<int>(a);
  }
  return -1;
}

Place view_place(const Graph& graph, const Node& node, const BlockValue& from) {
  if (node.op->name == "reshape") return reshaped(graph, node, from);
  const Copy copy = only_copy(graph, node);
  const Dims& old = operand_shape(graph, node);
  const auto linear = linear_access(copy.from, old, copy.extents);
  bool plain = linear && !copy.from.flat && linear->within && copy.combine == Combine::kSet;
  for (std::size_t a = 0; plain && a < copy.from.axes.size(); ++a) {
    plain = from.cuts[a] < 0 || walks(copy.from.axes[a], old[a], copy);
  }
  if (!plain) fail(ErrorCode::kUnsupported, "{} inside a block on the CPU", node.op->name);
  Place place = from.place;
  place.strides.assign(node.types[0].shape.size(), Dim(0));
  place.input_axis.assign(node.types[0].shape.size(), -1);
  for (std::size_t a = 0; a < copy.from.axes.size(); ++a) {
    const Dim& offset = copy.from.axes[a].offset;
    if (offset != Dim(0)) {
      place.offsets.push_back({-1, offset * from.place.strides[a], -1});
      place.input = -1;
    }
    add_axis(place, from.place, copy, a);
  }
  return place;
}

}  // namespace lamina::cpu
