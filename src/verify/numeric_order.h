// Which values of a graph are at least as large as which others.
#pragma once

#include <map>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// Facts of the form: v[i] >= x[j] wherever the coordinates i and j agree on the axes that the fact
// ties together. A maximum over axes is at least as large as its terms, so is a sum of terms that
// are not negative; casts, reshapes by axes of size 1 and broadcasts pass facts on.
class OrderFacts {
 public:
  explicit OrderFacts(const Graph& graph) : graph_(graph) {}

  // `node` is max(a, b).
  void note_max(NodeId node);
  // `node` is add(a, b): at least as large as a if b is never negative, and the other way round.
  void note_sum(NodeId node, bool first_not_negative, bool second_not_negative);
  // `node` is select(c, a, b): as large as b if c says that b is infinite (then a stands in).
  void note_select(NodeId node);
  // `node` folds its operand over axes to something at least as large as each term.
  void note_fold(NodeId node);
  // `node` has the elements of its operand: a cast, a reshape, a broadcast.
  void note_copy(NodeId node);

  // Whether, after broadcasting to the shape of an element-wise node that reads both, every
  // element of `large` is at least as large as the element of `small` that it meets.
  bool at_least(Value large, Value small) const { return at_least(large, small, 4); }
  // Whether both are the same value, seen through casts between floats.
  bool same(Value a, Value b) const { return origin(a) == origin(b); }

 private:
  // Axis a of v is tied to axis axes[a] of `of`; -1: to none.
  struct Fact {
    Value of;
    std::vector<int> axes;
  };

  const Dims& shape(Value v) const { return graph_.type(v).shape; }
  Value origin(Value v) const;
  bool at_least(Value large, Value small, int depth) const;
  bool aligned(Value large, Value small, const Fact& fact) const;
  // The facts of `from` (and that it is at least itself) as facts of `to`, whose shape `from`
  // broadcasts to.
  void inherit(Value to, Value from);
  void reshape(Value to, Value from);
  std::vector<Fact> facts_of(Value v) const;

  const Graph& graph_;
  std::map<Value, std::vector<Fact>> facts_;
};

}  // namespace lamina
