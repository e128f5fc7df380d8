// Which operands may be written over, and the merging of storages.
#include "exec/lower/in_place.h"

#include <algorithm>

#include "graph/op_def.h"

namespace lamina::lower {
namespace {

// True if the node may write its output over operand `i`, as far as the node itself goes.
bool can_overwrite(const Graph& graph, const Node& node, std::size_t i) {
  const OpDef& op = *node.op;
  if (node.types.size() != 1 || graph.type(node.inputs[i]) != node.types[0]) return false;
  if (op.scalar.real != nullptr || op.scalar.whole != nullptr) return true;
  if (op.move_form == nullptr) return false;
  std::vector<Type> types;
  const MoveForm form = op.move_form(view(graph, node, types));
  for (std::size_t c = 0; c < form.copies.size(); ++c) {
    const Copy& copy = form.copies[c];
    if (c == 0 ? !is_whole_copy(copy, static_cast<int>(i), types[i], node.types[0])
               : copy.operand == static_cast<int>(i)) {
      return false;
    }
  }
  return !form.copies.empty();
}

class Sharing {
 public:
  explicit Sharing(Lowered& lowered) : lowered_(lowered) {}

  void run() {
    std::erase_if(lowered_.state_copies, [&](const FinalCopy& copy) { return update(copy); });
    for (std::size_t s = 0; s < lowered_.steps.size(); ++s) {
      if (!lowered_.steps[s].at_load) share(static_cast<int>(s));
    }
  }

 private:
  Storage& storage(const Place& place) {
    return lowered_.storages[static_cast<std::size_t>(place.storage)];
  }
  const Node& node(int step) const {
    const NodeId id = lowered_.steps[static_cast<std::size_t>(step)].node;
    return lowered_.graph.nodes[static_cast<std::size_t>(id)];
  }

  // True if step `step` may write over `target`: every operand that lies there allows it.
  bool overwrites(int step, const Place& target) {
    const Node& n = node(step);
    for (std::size_t i = 0; i < n.inputs.size(); ++i) {
      const Place& place = lowered_.place(n.inputs[i]);
      if (place.storage != target.storage) continue;
      if (place.offset != Dim(0) || !can_overwrite(lowered_.graph, n, i)) return false;
    }
    return true;
  }

  // All that is in storage `from` moves to storage `to`.
  void merge(int from, int to) {
    const auto move = [&](Place& place) {
      if (place.storage == from) place.storage = to;
    };
    for (auto& places : lowered_.places) std::for_each(places.begin(), places.end(), move);
    for (FinalCopy& copy : lowered_.output_copies) move(copy.from);
    for (FinalCopy& copy : lowered_.state_copies) move(copy.from);
    Storage& gone = lowered_.storages[static_cast<std::size_t>(from)];
    Storage& kept = lowered_.storages[static_cast<std::size_t>(to)];
    kept.last = std::max(kept.last, gone.last);
    gone.elements = 0;
  }

  // Computes the next value of a state in place, if its old value is not needed by then.
  bool update(const FinalCopy& copy) {
    const Storage& next = storage(copy.from);
    const Storage& state = storage(copy.to);
    if (next.kind != Storage::Kind::kArena || copy.from.offset != Dim(0)) return false;
    if (next.elements != state.elements || state.last > next.first) return false;
    if (next.first >= static_cast<int>(lowered_.steps.size())) return false;
    if (state.last == next.first && !overwrites(next.first, copy.to)) return false;
    merge(copy.from.storage, copy.to.storage);
    return true;
  }

  bool is_free_after(const Place& place, int step) {
    const Storage& there = storage(place);
    if (there.last != step || place.offset != Dim(0)) return false;
    if (there.kind == Storage::Kind::kArena) return true;
    return there.kind == Storage::Kind::kInput && there.is_donated;
  }

  void share(int step) {
    const Node& n = node(step);
    const NodeId id = lowered_.steps[static_cast<std::size_t>(step)].node;
    const Place output = lowered_.place({id, 0});
    if (storage(output).kind != Storage::Kind::kArena) return;
    for (const Value& value : n.inputs) {
      const Place operand = lowered_.place(value);
      if (operand.storage == output.storage) return;
      if (!is_free_after(operand, step) || !overwrites(step, operand)) continue;
      if (storage(operand).elements != storage(output).elements) continue;
      if (storage(operand).dtype != storage(output).dtype) continue;
      merge(output.storage, operand.storage);
      return;
    }
  }

  Lowered& lowered_;
};

}  // namespace

void share_in_place(Lowered& lowered) { Sharing(lowered).run(); }

}  // namespace lamina::lower
