// input: a node without operator; Graph::inputs says what it is.
#include "base/check.h"
#include "graph/kinds.h"

namespace lamina::ops {

OpDef input() {
  return {.name = "input",
          .kind = Kind::kMove,
          .min_inputs = 0,
          .max_inputs = 0,
          .infer = [](const NodeView&) -> std::vector<Type> {
            fail(ErrorCode::kInvalidArgument, "input: declared by the graph, not added as a node");
          }};
}

}  // namespace lamina::ops
