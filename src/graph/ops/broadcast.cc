// broadcast: repeats axes of size 1 and adds leading axes, up to `shape`.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  const Dims& shape = node.attrs.dims("shape");
  require(broadcast_shapes("broadcast", x.shape, shape) == shape,
          "broadcast: {} does not broadcast to {}", to_string(x.shape), to_string(shape));
  return {{element_dtype(x), shape, {}}};
}

MoveForm move_form(const NodeView& node) {
  const Dims& shape = node.attrs.dims("shape");
  Copy copy = whole_copy(0, shape);
  copy.from = broadcast_access(node.inputs[0].shape, shape);
  return {{copy}};
}

std::vector<Value> gradient(const GradientView& node) { return {sum_to(node, node.grads[0], 0)}; }

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 1})}, .attrs = {{"shape", Dims{3, 4}}}},
          {.inputs = {f32({1, 3, 1})}, .attrs = {{"shape", Dims{2, 4, 3, 5}}}},
          {.inputs = {f32({})}, .attrs = {{"shape", Dims{2, 2}}}}};
}

}  // namespace

OpDef broadcast() {
  return {.name = "broadcast",
          .kind = Kind::kMove,
          .attrs = {{"shape", AttrKind::kDims, {}, true}},
          .infer = infer,
          .move_form = move_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
