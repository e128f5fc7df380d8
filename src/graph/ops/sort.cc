// sort: the elements along `axis` in stable order, and the positions they came from. NaN counts as
// the largest.
#include "graph/gradient_rules.h"
#include "graph/ordering.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  resolve_axis("sort", node.attrs.integer("axis"), x.shape.size());
  return {{element_dtype(x), x.shape, {}}, {DType::kI64, x.shape, {}}};
}

OrderForm order_form(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  OrderForm form;
  form.axis = resolve_axis("sort", node.attrs.integer("axis"), shape.size());
  form.count = shape[static_cast<std::size_t>(form.axis)];
  form.descending = node.attrs.flag("descending");
  form.positions = true;
  return form;
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 7})}},
          {.inputs = {f32({4, 2})}, .attrs = {{"axis", 0}, {"descending", true}}},
          {.inputs = {{DType::kI32, {9}, {}}}, .differentiable = false}};
}

}  // namespace

OpDef sort() {
  return {.name = "sort",
          .kind = Kind::kReduce,
          .attrs = {{"axis", AttrKind::kInteger, std::int64_t{-1}},
                    {"descending", AttrKind::kFlag, false}},
          .infer = infer,
          .order_form = order_form,
          .gradient = order_gradient,
          .samples = samples};
}

}  // namespace lamina::ops
