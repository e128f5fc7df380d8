// Operators whose form says which elements of their operands an element needs.
//
// An axis of the output may be cut where each operand's axes that follow it are read at the same
// place, neither scaled nor shifted. Then the same operator on parts of the operands gives the
// part of the output; that its form is the same, at these lengths, is checked each time.
#include <algorithm>
#include <optional>

#include "base/check.h"
#include "verify/cone_builder.h"

namespace lamina {
namespace {

// The form of an operator as far as it can be cut: its loops, and what it reads along them.
struct Loops {
  Dims extents;
  int outer = 0;                              // the axes of the output
  std::vector<std::pair<int, Access>> reads;  // by operand
};

void add_reads(Loops& loops, int operand, const Access& access) {
  loops.reads.emplace_back(operand, access);
  for (const AxisIndex& axis : access.axes) {
    for (const AxisIndex::Indirect& indirect : axis.indirect) {
      add_reads(loops, indirect.operand, {indirect.axes, false});
    }
  }
}

// Whether loop i writes along axis i.
bool is_identity(const Access& to) {
  for (std::size_t i = 0; i < to.axes.size(); ++i) {
    const AxisIndex& axis = to.axes[i];
    const bool one = axis.loops.size() == 1 && axis.loops[0].loop == static_cast<int>(i) &&
                     axis.loops[0].coefficient == Dim(1);
    if (!one || axis.offset != Dim(0) || !axis.indirect.empty()) return false;
  }
  return !to.flat;
}

std::optional<Loops> loops_of(const NodeView& node) {
  Loops loops;
  if (node.op.loop_form != nullptr) {
    const LoopForm form = node.op.loop_form(node);
    loops.extents = form.extents;
    loops.outer = form.output_rank;
    for (std::size_t k = 0; k < form.operands.size(); ++k) {
      add_reads(loops, static_cast<int>(k), form.operands[k]);
    }
    return loops;
  }
  const MoveForm form = node.op.move_form(node);
  if (form.copies.size() != 1) return std::nullopt;
  const Copy& copy = form.copies[0];
  if (copy.operand < 0 || copy.combine != Combine::kSet || !is_identity(copy.to)) {
    return std::nullopt;
  }
  loops.extents = copy.extents;
  loops.outer = static_cast<int>(copy.extents.size());
  add_reads(loops, copy.operand, copy.from);
  return loops;
}

bool is_plain(const AxisIndex& axis) {
  return axis.loops.size() == 1 && axis.loops[0].coefficient == Dim(1) && axis.offset == Dim(0) &&
         axis.indirect.empty();
}

std::vector<bool> loops_to_cut(const Loops& loops) {
  std::vector<bool> cut(loops.extents.size(), false);
  std::fill_n(cut.begin(), loops.outer, true);
  for (const auto& [operand, access] : loops.reads) {
    for (const AxisIndex& axis : access.axes) {
      for (const AxisIndex::LoopTerm& term : axis.loops) {
        if (access.flat || !is_plain(axis)) cut[static_cast<std::size_t>(term.loop)] = false;
      }
    }
  }
  return cut;
}

bool same_index(const AxisIndex& a, const AxisIndex& b);

bool same_indirect(const AxisIndex::Indirect& a, const AxisIndex::Indirect& b) {
  return a.operand == b.operand &&
         std::equal(a.axes.begin(), a.axes.end(), b.axes.begin(), b.axes.end(), same_index);
}

bool same_index(const AxisIndex& a, const AxisIndex& b) {
  const auto same_term = [](const AxisIndex::LoopTerm& x, const AxisIndex::LoopTerm& y) {
    return x.loop == y.loop && x.coefficient == y.coefficient;
  };
  return a.offset == b.offset &&
         std::equal(a.loops.begin(), a.loops.end(), b.loops.begin(), b.loops.end(), same_term) &&
         std::equal(a.indirect.begin(), a.indirect.end(), b.indirect.begin(), b.indirect.end(),
                    same_indirect);
}

// Loops of one point add nothing to an index: axes of length 1 are broadcast or not.
void drop_single(AxisIndex& axis, const Dims& extents) {
  std::erase_if(axis.loops, [&](const AxisIndex::LoopTerm& term) {
    return extents[static_cast<std::size_t>(term.loop)] == Dim(1);
  });
  for (AxisIndex::Indirect& indirect : axis.indirect) {
    for (AxisIndex& inner : indirect.axes) drop_single(inner, extents);
  }
}

bool same_reads(Loops a, Loops b) {
  if (a.extents != b.extents || a.reads.size() != b.reads.size()) return false;
  for (Loops* loops : {&a, &b}) {
    for (auto& [operand, access] : loops->reads) {
      for (AxisIndex& axis : access.axes) drop_single(axis, loops->extents);
    }
  }
  return std::equal(a.reads.begin(), a.reads.end(), b.reads.begin(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && x.second.flat == y.second.flat &&
                             std::equal(x.second.axes.begin(), x.second.axes.end(),
                                        y.second.axes.begin(), y.second.axes.end(), same_index);
                    });
}

// The parts of the operands that the cut loops reach; nullopt: two reads of one operand disagree.
std::optional<std::vector<Box>> operand_boxes(const Loops& loops, const std::vector<bool>& cut,
                                              const Box& box, const std::vector<Type>& types) {
  std::vector<Box> boxes;
  for (const Type& type : types) boxes.push_back(whole_box(*constant_shape(type.shape)));
  std::vector<bool> seen(types.size(), false);
  for (const auto& [operand, access] : loops.reads) {
    const auto k = static_cast<std::size_t>(operand);
    Box part = whole_box(*constant_shape(types[k].shape));
    for (std::size_t i = 0; !access.flat && i < access.axes.size(); ++i) {
      if (!is_plain(access.axes[i])) continue;
      const auto loop = static_cast<std::size_t>(access.axes[i].loops[0].loop);
      if (!cut[loop]) continue;
      part.start[i] = box.start[loop];
      part.length[i] = box.length[loop];
    }
    if (seen[k] && part != boxes[k]) return std::nullopt;
    seen[k] = true;
    boxes[k] = part;
  }
  return boxes;
}

}  // namespace

Value ConeBuilder::cut_loops(const Scope& scope, Value value, const Box& box) {
  const Node& node = scope.graph->node(value);
  const std::vector<Type> types = input_types(scope, node);
  const std::optional<Loops> loops = loops_of({*node.op, types, node.attrs, node.graphs});
  if (!loops) return whole(scope, value, box);
  const std::vector<bool> cut = loops_to_cut(*loops);
  const auto operands = operand_boxes(*loops, cut, box, types);
  if (!operands) return whole(scope, value, box);
  Box given = whole_box(*constant_shape(type(scope, value).shape));
  Loops expected = *loops;
  for (std::size_t i = 0; i < box.start.size(); ++i) {
    if (!cut[i]) continue;
    given.start[i] = box.start[i];
    given.length[i] = box.length[i];
    expected.extents[i] = box.length[i];
  }
  std::vector<Type> parts = types;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    parts[k].shape.assign((*operands)[k].length.begin(), (*operands)[k].length.end());
  }
  try {
    const auto got = loops_of({*node.op, parts, node.attrs, node.graphs});
    if (!got || !same_reads(*got, expected)) return whole(scope, value, box);
  } catch (const Error&) {
    return whole(scope, value, box);  // the attributes speak of the whole shape
  }
  std::vector<Value> values;
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    values.push_back(emit(scope, node.inputs[k], (*operands)[k]));
  }
  count(expected.extents);
  const Value result = add(node.op->name, std::move(values), node.attrs);
  return part(result, relative_to(given.start, box));
}

// An order along one axis: the others may be cut.
Value ConeBuilder::cut_line(const Scope& scope, Value value, const Box& box) {
  const Node& node = scope.graph->node(value);
  const std::vector<Type> types = input_types(scope, node);
  const OrderForm form = node.op->order_form({*node.op, types, node.attrs, node.graphs});
  const auto axis = static_cast<std::size_t>(form.axis);
  if (types[0].shape.size() != box.start.size()) return whole(scope, value, box);
  Box line = box;
  line.start[axis] = 0;
  line.length[axis] = types[0].shape[axis].constant_part();
  count(Dims(line.length.begin(), line.length.end()));
  const Value ordered = add(node.op->name, {emit(scope, node.inputs[0], line)}, node.attrs);
  Shape origin = box.start;
  origin[axis] = 0;
  return part({ordered.node, value.output}, relative_to(origin, box));
}

}  // namespace lamina
