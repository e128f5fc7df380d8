// transpose: permutes axes (none listed: reverses them). Output axis i is input axis axes[i].
#include <algorithm>

#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

std::vector<int> permutation(const NodeView& node) {
  const std::size_t rank = node.inputs[0].shape.size();
  std::vector<int> order;
  for (const std::int64_t axis : node.attrs.integers("axes")) {
    order.push_back(resolve_axis("transpose", axis, rank));
  }
  if (order.empty()) {
    for (std::size_t i = rank; i-- > 0;) order.push_back(static_cast<int>(i));
  }
  std::vector<int> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  bool whole = sorted.size() == rank;
  for (std::size_t i = 0; whole && i < rank; ++i) whole = sorted[i] == static_cast<int>(i);
  require(whole, "transpose: axes {} do not permute a tensor of rank {}",
          to_string(node.attrs.dims("axes")), rank);
  return order;
}

std::vector<Type> infer(const NodeView& node) {
  Dims shape;
  for (const int axis : permutation(node)) {
    shape.push_back(node.inputs[0].shape[static_cast<std::size_t>(axis)]);
  }
  return {{node.inputs[0].dtype, shape, {}}};
}

MoveForm move_form(const NodeView& node) {
  const std::vector<int> order = permutation(node);
  Copy copy;
  copy.extents = infer(node)[0].shape;
  copy.to = broadcast_access(copy.extents, copy.extents);
  copy.from.axes.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    copy.from.axes[static_cast<std::size_t>(order[i])] = AxisIndex::of(static_cast<int>(i));
  }
  return {{copy}};
}

std::vector<Value> gradient(const GradientView& node) {
  std::vector<Type> types{node.type(node.input(0))};
  const Node& self = node.graph.nodes[static_cast<std::size_t>(node.node)];
  const std::vector<int> order = permutation({*self.op, types, self.attrs, {}});
  Dims inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  return {node.graph.add("transpose", {node.grads[0]}, {{"axes", inverse}})};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 4})}},
          {.inputs = {f32({2, 3, 4})}, .attrs = {{"axes", Dims{1, 2, 0}}}}};
}

}  // namespace

OpDef transpose() {
  return {.name = "transpose",
          .kind = Kind::kMove,
          .attrs = {{"axes", AttrKind::kDims, Dims{}}},
          .infer = infer,
          .move_form = move_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
