// constant: a scalar literal, or a tensor filled with it.
#include "graph/kinds.h"

namespace lamina::ops {

OpDef constant() {
  return {.name = "constant",
          .kind = Kind::kMove,
          .min_inputs = 0,
          .max_inputs = 0,
          .attrs = {{"value", AttrKind::kReal, {}, true},
                    {"dtype", AttrKind::kDType, DType::kF32},
                    {"shape", AttrKind::kDims, Dims{}}},
          .infer = [](const NodeView& node) -> std::vector<Type> {
            return {{node.attrs.dtype("dtype"), node.attrs.dims("shape"), {}}};
          },
          .move_form = [](const NodeView& node) -> MoveForm {
            const Dims& shape = node.attrs.dims("shape");
            return {{{.operand = Copy::kFill,
                      .extents = shape,
                      .to = broadcast_access(shape, shape),
                      .fill = node.attrs.real("value")}}};
          }};
}

}  // namespace lamina::ops
