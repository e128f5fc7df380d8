// concat: the inputs one after the other along `axis`.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  Type out{element_dtype(node.inputs[0]), node.inputs[0].shape, {}};
  const auto axis = static_cast<std::size_t>(
      resolve_axis("concat", node.attrs.integer("axis"), out.shape.size()));
  for (const Type& x : node.inputs.subspan(1)) {
    Dims expected = node.inputs[0].shape;
    if (x.shape.size() == expected.size()) expected[axis] = x.shape[axis];
    require(x.shape == expected, "concat: shapes {} and {} differ beyond axis {}",
            to_string(node.inputs[0].shape), to_string(x.shape), axis);
    require(element_dtype(x) == out.dtype, "concat: dtypes {} and {} differ",
            traits(out.dtype).name, traits(x.dtype).name);
    out.shape[axis] = out.shape[axis] + x.shape[axis];
  }
  return {out};
}

MoveForm move_form(const NodeView& node) {
  const auto axis = static_cast<std::size_t>(
      resolve_axis("concat", node.attrs.integer("axis"), node.inputs[0].shape.size()));
  MoveForm form;
  Dim start;
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    Copy copy = whole_copy(static_cast<int>(k), node.inputs[k].shape);
    copy.to.axes[axis].offset = start;
    start = start + node.inputs[k].shape[axis];
    form.copies.push_back(copy);
  }
  return form;
}

std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  const auto axis = static_cast<std::size_t>(
      resolve_axis("concat", self.attrs.integer("axis"), self.types[0].shape.size()));
  std::vector<Value> grads;
  Dims start(self.types[0].shape.size());
  for (const Type& x : self.types) {
    grads.push_back(
        node.graph.add("slice", {node.grads[0]}, {{"start", start}, {"size", x.shape}}));
    start[axis] = start[axis] + x.shape[axis];
  }
  return grads;
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3}), f32({2, 1}), f32({2, 4})}, .attrs = {{"axis", 1}}},
          {.inputs = {f32({3}), f32({2})}},
          {.inputs = {f32({3, 2})}, .attrs = {{"axis", -1}}}};
}

}  // namespace

OpDef concat() {
  return {.name = "concat",
          .kind = Kind::kMove,
          .max_inputs = -1,
          .attrs = {{"axis", AttrKind::kInteger, std::int64_t{0}}},
          .infer = infer,
          .move_form = move_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
