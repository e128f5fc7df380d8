// iota: start + step * (the coordinate along `axis`), in a tensor of `shape`.
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Dims& shape = node.attrs.dims("shape");
  resolve_axis("iota", node.attrs.integer("axis"), shape.size());
  return {{node.attrs.dtype("dtype"), shape, {}}};
}

MoveForm move_form(const NodeView& node) {
  const Dims& shape = node.attrs.dims("shape");
  const auto axis =
      static_cast<std::size_t>(resolve_axis("iota", node.attrs.integer("axis"), shape.size()));
  Copy copy = fill_copy(node.attrs.real("start"), {});
  copy.operand = Copy::kIndex;
  copy.step = node.attrs.real("step");
  copy.extents = {shape[axis]};  // loop 0 is the one that counts
  copy.to.axes.resize(shape.size());
  copy.to.axes[axis] = AxisIndex::of(0);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i == axis) continue;
    copy.to.axes[i] = AxisIndex::of(static_cast<int>(copy.extents.size()));
    copy.extents.push_back(shape[i]);
  }
  return {{copy}};
}

std::vector<Sample> samples() {
  return {{.attrs = {{"shape", Dims{5}}}, .differentiable = false},
          {.attrs = {{"shape", Dims{2, 3, 2}},
                     {"axis", 1},
                     {"dtype", DType::kF32},
                     {"start", 0.5},
                     {"step", -0.25}},
           .differentiable = false}};
}

}  // namespace

OpDef iota() {
  return {.name = "iota",
          .kind = Kind::kMove,
          .min_inputs = 0,
          .max_inputs = 0,
          .attrs = {{"shape", AttrKind::kDims, {}, true},
                    {"axis", AttrKind::kInteger, std::int64_t{0}},
                    {"dtype", AttrKind::kDType, DType::kI64},
                    {"start", AttrKind::kReal, 0.0},
                    {"step", AttrKind::kReal, 1.0}},
          .infer = infer,
          .move_form = move_form,
          .samples = samples};
}

}  // namespace lamina::ops
