// size_value: an expression over named sizes as a scalar, so that programs may compute with it.
#include "base/check.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& size = node.attrs.dims("size");
  require(size.size() == 1, "size_value: expected one size, got {}", to_string(size));
  return {{node.attrs.dtype("dtype"), {}, {}}};
}

MoveForm move_form(const NodeView& node) {
  Copy copy = fill_copy(0.0, {});
  copy.fill_size = node.attrs.dims("size")[0];
  return {{copy}};
}

std::vector<Sample> samples() { return {{.attrs = {{"size", Dims{7}}}, .differentiable = false}}; }

}  // namespace

OpDef size_value() {
  return {.name = "size_value",
          .kind = Kind::kMove,
          .min_inputs = 0,
          .max_inputs = 0,
          .attrs = {{"size", AttrKind::kDims, {}, true}, {"dtype", AttrKind::kDType, DType::kI64}},
          .infer = infer,
          .move_form = move_form,
          .samples = samples};
}

}  // namespace lamina::ops
