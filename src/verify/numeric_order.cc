// Deriving and looking up order facts.
#include "verify/numeric_order.h"

#include <algorithm>

#include "graph/kinds.h"
#include "graph/op_def.h"

namespace lamina {
namespace {

// Axes of `shape` that are longer than 1.
std::vector<int> long_axes(const Dims& shape) {
  std::vector<int> axes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != Dim(1)) axes.push_back(static_cast<int>(i));
  }
  return axes;
}

}  // namespace

Value OrderFacts::origin(Value v) const {
  while (graph_.node(v).op->name == "cast") {
    const Value from = graph_.node(v).inputs[0];
    if (!traits(graph_.type(from).dtype).is_float || !traits(graph_.type(v).dtype).is_float) break;
    v = from;
  }
  return v;
}

std::vector<OrderFacts::Fact> OrderFacts::facts_of(Value v) const {
  const auto found = facts_.find(origin(v));
  return found == facts_.end() ? std::vector<Fact>{} : found->second;
}

void OrderFacts::inherit(Value to, Value from) {
  const std::size_t skip = shape(to).size() - shape(from).size();
  const auto tied = [&](std::size_t axis) { return shape(from)[axis] == shape(to)[skip + axis]; };
  Fact self{origin(from), std::vector<int>(shape(to).size(), -1)};
  for (std::size_t i = 0; i < shape(from).size(); ++i) {
    if (tied(i)) self.axes[skip + i] = static_cast<int>(i);
  }
  std::vector<Fact>& facts = facts_[to];
  facts.push_back(std::move(self));
  for (const Fact& fact : facts_of(from)) {
    Fact passed{fact.of, std::vector<int>(shape(to).size(), -1)};
    for (std::size_t i = 0; i < shape(from).size(); ++i) {
      if (tied(i)) passed.axes[skip + i] = fact.axes[i];
    }
    facts.push_back(std::move(passed));
  }
}

void OrderFacts::note_max(NodeId node) {
  for (const Value& v : graph_.node({node, 0}).inputs) inherit({node, 0}, v);
}

void OrderFacts::note_sum(NodeId node, bool first_not_negative, bool second_not_negative) {
  const std::vector<Value>& inputs = graph_.node({node, 0}).inputs;
  if (second_not_negative) inherit({node, 0}, inputs[0]);
  if (first_not_negative) inherit({node, 0}, inputs[1]);
}

void OrderFacts::note_select(NodeId node) {
  const std::vector<Value>& inputs = graph_.node({node, 0}).inputs;
  const Node& condition = graph_.node(inputs[0]);
  if (condition.op->name == "is_inf" && same(condition.inputs[0], inputs[2])) {
    inherit({node, 0}, inputs[2]);
  }
}

void OrderFacts::note_fold(NodeId node) {
  const Node& fold = graph_.node({node, 0});
  std::vector<Type> types;
  const NodeView seen = view(graph_, fold, types);
  const std::vector<int> reduced = resolve_axes(seen, "axes", types[0].shape.size());
  const bool keep = fold.attrs.flag("keepdims");
  Fact fact{origin(fold.inputs[0]), {}};
  for (int axis = 0; axis < static_cast<int>(types[0].shape.size()); ++axis) {
    const bool is_reduced = std::binary_search(reduced.begin(), reduced.end(), axis);
    if (!is_reduced) {
      fact.axes.push_back(axis);
    } else if (keep) {
      fact.axes.push_back(-1);
    }
  }
  facts_[{node, 0}].push_back(std::move(fact));
}

void OrderFacts::note_copy(NodeId node) {
  const Node& copy = graph_.node({node, 0});
  if (copy.op->name == "broadcast") inherit({node, 0}, copy.inputs[0]);
  if (copy.op->name == "reshape") reshape({node, 0}, copy.inputs[0]);
}

// Only axes of size 1 may come and go.
void OrderFacts::reshape(Value to, Value from) {
  const std::vector<int> old_axes = long_axes(shape(from));
  const std::vector<int> new_axes = long_axes(shape(to));
  const bool same = std::equal(
      old_axes.begin(), old_axes.end(), new_axes.begin(), new_axes.end(), [&](int a, int b) {
        return shape(from)[static_cast<std::size_t>(a)] == shape(to)[static_cast<std::size_t>(b)];
      });
  if (!same) return;
  std::vector<Fact>& facts = facts_[to];
  Fact self{origin(from), std::vector<int>(shape(to).size(), -1)};
  for (std::size_t i = 0; i < old_axes.size(); ++i) {
    self.axes[static_cast<std::size_t>(new_axes[i])] = old_axes[i];
  }
  for (const Fact& fact : facts_of(from)) {
    Fact passed{fact.of, std::vector<int>(shape(to).size(), -1)};
    for (std::size_t i = 0; i < old_axes.size(); ++i) {
      passed.axes[static_cast<std::size_t>(new_axes[i])] =
          fact.axes[static_cast<std::size_t>(old_axes[i])];
    }
    facts.push_back(std::move(passed));
  }
  facts.push_back(std::move(self));
}

bool OrderFacts::aligned(Value large, Value small, const Fact& fact) const {
  const auto offset = static_cast<int>(shape(small).size()) - static_cast<int>(shape(large).size());
  for (std::size_t i = 0; i < fact.axes.size(); ++i) {
    if (fact.axes[i] < 0 || shape(large)[i] == Dim(1)) continue;
    if (static_cast<int>(i) + offset != fact.axes[i]) return false;
  }
  return true;
}

bool OrderFacts::at_least(Value large, Value small, int depth) const {
  const Value a = origin(large);
  const Value b = origin(small);
  if (a == b) return true;
  for (const Fact& fact : facts_of(a)) {
    if (fact.of == b && aligned(a, b, fact)) return true;
  }
  if (depth == 0) return false;
  // A shared factor that is a positive constant, or a shared term, changes nothing.
  const Node& x = graph_.node(a);
  const Node& y = graph_.node(b);
  if (x.op != y.op || (x.op->name != "mul" && x.op->name != "add")) return false;
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      const Value shared = x.inputs[i];
      if (origin(shared) != origin(y.inputs[j])) continue;
      const Node& constant = graph_.node(origin(shared));
      const bool positive = constant.op->name == "constant" && constant.attrs.real("value") > 0.0;
      const bool passes = x.op->name == "add" || positive;
      if (passes && shape(shared).empty() &&
          at_least(x.inputs[1 - i], y.inputs[1 - j], depth - 1)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace lamina
