// loop: runs the inner graph until the trip count is reached or its condition fails.
//
// Inputs: trip count i64[], condition bool[], `carried` values, then values that are only read.
// Body: (iteration i64[], carried..., read...) -> (condition bool[], carried..., scanned...).
// Outputs: the carried values after the last trip, then the scanned ones, stacked along a new
// leading axis of `trips`, the promised number of trips (needed only if there are scanned ones).
#include "base/check.h"
#include "graph/regions.h"

namespace lamina::ops {
namespace {

const Type kCondition{DType::kBool, {}, {}};
const Type kCount{DType::kI64, {}, {}};

// Checks the body's inputs and outputs against the node's; returns its output types.
std::vector<Type> body_types(const NodeView& node, std::size_t carried) {
  std::vector<Type> given = {kCount};
  given.insert(given.end(), node.inputs.begin() + 2, node.inputs.end());
  check_inner_inputs("loop", node.graphs[0], given);
  const std::vector<Type> types = output_types(node.graphs[0]);
  require(types.size() > carried, "loop: {} outputs of the body for a condition and {} carried",
          types.size(), carried);
  require(types[0] == kCondition, "loop: the body's condition is {}, expected bool[]",
          to_string(types[0]));
  for (std::size_t i = 0; i < carried; ++i) {
    require(types[1 + i] == node.inputs[2 + i], "loop: value {} is carried as {} but begins as {}",
            i, to_string(types[1 + i]), to_string(node.inputs[2 + i]));
  }
  return types;
}

std::vector<Type> infer(const NodeView& node) {
  require(node.graphs.size() == 1, "loop: expected one inner graph, got {}", node.graphs.size());
  require(node.inputs[0] == kCount && node.inputs[1] == kCondition,
          "loop: begins with {} and {}, expected i64[] and bool[]", to_string(node.inputs[0]),
          to_string(node.inputs[1]));
  const std::int64_t given = node.attrs.integer("carried");
  require(given >= 0 && static_cast<std::size_t>(given) + 2 <= node.inputs.size(),
          "loop: {} carried values of {} inputs", given, node.inputs.size());
  const auto carried = static_cast<std::size_t>(given);
  std::vector<Type> types = body_types(node, carried);
  types.erase(types.begin());
  const Dims& trips = node.attrs.dims("trips");
  require(trips.size() == 1 || types.size() == carried,
          "loop: scanned outputs need the number of trips, got {}", to_string(trips));
  for (std::size_t i = carried; i < types.size(); ++i) {
    types[i].shape.insert(types[i].shape.begin(), trips[0]);
  }
  return types;
}

}  // namespace

OpDef loop() {
  return {.name = "loop",
          .kind = Kind::kRegion,
          .min_inputs = 2,
          .max_inputs = -1,
          .attrs = {{"carried", AttrKind::kInteger, {}, true}, {"trips", AttrKind::kDims, Dims{}}},
          .infer = infer};
}

}  // namespace lamina::ops
