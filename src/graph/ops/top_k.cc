// top_k: the k largest (or smallest) elements along `axis`, best first, and their positions; of
// equal elements the earlier ones. NaN counts as the largest.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/ordering.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  const auto axis =
      static_cast<std::size_t>(resolve_axis("top_k", node.attrs.integer("axis"), x.shape.size()));
  const Dims& k = node.attrs.dims("k");
  require(k.size() == 1, "top_k: expected one k, got {}", to_string(k));
  const Dim rest = x.shape[axis] - k[0];
  require(!rest.is_constant() || rest.constant_part() >= 0,
          "top_k: {} elements of axis {}, which has {}", k[0].to_string(), axis,
          x.shape[axis].to_string());
  Dims shape = x.shape;
  shape[axis] = k[0];
  return {{element_dtype(x), shape, {}}, {DType::kI64, shape, {}}};
}

OrderForm order_form(const NodeView& node) {
  OrderForm form;
  form.axis = resolve_axis("top_k", node.attrs.integer("axis"), node.inputs[0].shape.size());
  form.count = node.attrs.dims("k")[0];
  form.descending = node.attrs.flag("largest");
  form.positions = true;
  return form;
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 7})}, .attrs = {{"k", Dims{3}}}},
          {.inputs = {f32({4, 2})}, .attrs = {{"k", Dims{1}}, {"axis", 0}, {"largest", false}}}};
}

}  // namespace

OpDef top_k() {
  return {.name = "top_k",
          .kind = Kind::kReduce,
          .attrs = {{"k", AttrKind::kDims, {}, true},
                    {"axis", AttrKind::kInteger, std::int64_t{-1}},
                    {"largest", AttrKind::kFlag, true}},
          .infer = infer,
          .order_form = order_form,
          .gradient = order_gradient,
          .samples = samples};
}

}  // namespace lamina::ops
