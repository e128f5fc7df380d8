// after: inside a block graph, the value that a state holds when the loop has ended.
#include "graph/kinds.h"

namespace lamina::ops {

OpDef after() {
  return {.name = "after",
          .kind = Kind::kRegion,
          .infer = [](const NodeView& node) -> std::vector<Type> { return {node.inputs[0]}; }};
}

}  // namespace lamina::ops
