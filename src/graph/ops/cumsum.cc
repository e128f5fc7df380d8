// cumsum: running sums along `axis`; `exclusive` leaves out the element itself, `reverse` sums
// from the end.
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  resolve_axis("cumsum", node.attrs.integer("axis"), x.shape.size());
  return {{element_dtype(x), x.shape, {}}};
}

// Output o adds the elements o - r for all r, those before the beginning being nothing.
LoopForm loop_form(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  const int axis = resolve_axis("cumsum", node.attrs.integer("axis"), shape.size());
  const std::int64_t back = node.attrs.flag("reverse") ? 1 : -1;
  const auto distance = static_cast<int>(shape.size());
  LoopForm form{shape, distance, {whole_access(shape)}};
  form.extents.push_back(shape[static_cast<std::size_t>(axis)]);
  AxisIndex& at = form.operands[0].axes[static_cast<std::size_t>(axis)];
  at.loops = {{axis, 1}, {distance, back}};
  at.offset = node.attrs.flag("exclusive") ? back : 0;
  return form;
}

std::vector<Value> gradient(const GradientView& node) {
  Attrs attrs = node.attrs();
  attrs.set("reverse", !attrs.flag("reverse"));
  return {node.graph.add("cumsum", {node.grads[0]}, attrs)};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 4})}, .attrs = {{"axis", 1}}},
          {.inputs = {f32({5, 2})}, .attrs = {{"exclusive", true}}},
          {.inputs = {f32({5})}, .attrs = {{"exclusive", true}, {"reverse", true}}}};
}

}  // namespace

OpDef cumsum() {
  return {.name = "cumsum",
          .kind = Kind::kReduce,
          .attrs = {{"axis", AttrKind::kInteger, std::int64_t{0}},
                    {"exclusive", AttrKind::kFlag, false},
                    {"reverse", AttrKind::kFlag, false}},
          .infer = infer,
          .loop_form = loop_form,
          .monoid = Monoid::kSum,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
