// split: cuts the input along `axis` into consecutive outputs of the given sizes.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  const auto axis =
      static_cast<std::size_t>(resolve_axis("split", node.attrs.integer("axis"), x.shape.size()));
  const Dims& sizes = node.attrs.dims("sizes");
  require(!sizes.empty(), "split: no sizes are listed");
  std::vector<Type> types;
  Dim total;
  for (const Dim& size : sizes) {
    types.push_back({element_dtype(x), x.shape, {}});
    types.back().shape[axis] = size;
    total = total + size;
  }
  require(total == x.shape[axis], "split: sizes {} add up to {}, but axis {} of {} has {}",
          to_string(sizes), total.to_string(), axis, to_string(x.shape), x.shape[axis].to_string());
  return types;
}

MoveForm move_form(const NodeView& node) {
  const Type& x = node.inputs[0];
  const auto axis =
      static_cast<std::size_t>(resolve_axis("split", node.attrs.integer("axis"), x.shape.size()));
  MoveForm form;
  Dim start;
  for (const Dim& size : node.attrs.dims("sizes")) {
    Dims shape = x.shape;
    shape[axis] = size;
    Copy copy = whole_copy(0, shape);
    copy.output = static_cast<int>(form.copies.size());
    copy.from.axes[axis].offset = start;
    start = start + size;
    form.copies.push_back(copy);
  }
  return form;
}

std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  std::vector<Value> parts(node.grads.begin(), node.grads.end());
  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (parts[k].node >= 0) continue;
    const Type type = node.type({node.node, static_cast<std::int32_t>(k)});
    parts[k] = filled(node.graph, type, 0.0);
  }
  return {node.graph.add("concat", parts, {{"axis", self.attrs.integer("axis")}})};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 7})}, .attrs = {{"axis", 1}, {"sizes", Dims{3, 4}}}},
          {.inputs = {f32({5})}, .attrs = {{"sizes", Dims{2, 2, 1}}}}};
}

}  // namespace

OpDef split() {
  return {.name = "split",
          .kind = Kind::kMove,
          .attrs = {{"axis", AttrKind::kInteger, std::int64_t{0}},
                    {"sizes", AttrKind::kDims, {}, true}},
          .infer = infer,
          .move_form = move_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
