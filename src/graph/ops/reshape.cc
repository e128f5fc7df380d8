// reshape: the same elements in row-major order under another shape. One entry may be -1: what is
// left over. (0 is not special: it is an axis without elements.)
#include <algorithm>

#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

// True if `dim` holds a quotient: such counts may be equal without looking equal.
bool has_quotient(const Dim& dim) {
  for (const Dim::Term& term : dim.terms()) {
    for (const Dim::Factor& factor : term.factors) {
      if (factor.kind != Dim::Factor::Kind::kSize) return true;
    }
  }
  return false;
}

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  Dims shape = node.attrs.dims("shape");
  const Dim count = element_count(x.shape);
  const auto free = std::find(shape.begin(), shape.end(), Dim(-1));
  if (free != shape.end()) {
    *free = 1;
    const Dim rest = element_count(shape);
    require(rest != Dim(0), "reshape: -1 is undetermined in {}",
            to_string(node.attrs.dims("shape")));
    *free = floor_div(count, rest);
  }
  const Dim wanted = element_count(shape);
  require(wanted == count || has_quotient(wanted) || has_quotient(count),
          "reshape: {} has {} elements but {} has {}", to_string(x.shape), count.to_string(),
          to_string(node.attrs.dims("shape")), wanted.to_string());
  return {{element_dtype(x), shape, {}}};
}

MoveForm move_form(const NodeView& node) {
  Copy copy;
  copy.extents = {element_count(node.inputs[0].shape)};
  copy.from = {{AxisIndex::of(0)}, true};
  copy.to = copy.from;
  return {{copy}};
}

std::vector<Value> gradient(const GradientView& node) {
  return {node.graph.add("reshape", {node.grads[0]}, {{"shape", node.type(node.input(0)).shape}})};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 4})}, .attrs = {{"shape", Dims{2, 6}}}},
          {.inputs = {f32({2, 3, 4})}, .attrs = {{"shape", Dims{4, -1}}}},
          {.inputs = {f32({1, 1})}, .attrs = {{"shape", Dims{}}}},
          {.inputs = {{DType::kI64, {6}, {}}},
           .attrs = {{"shape", Dims{3, 2}}},
           .differentiable = false}};
}

}  // namespace

OpDef reshape() {
  return {.name = "reshape",
          .kind = Kind::kMove,
          .attrs = {{"shape", AttrKind::kDims, {}, true}},
          .infer = infer,
          .move_form = move_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
