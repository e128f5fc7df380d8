// Ranges of element-wise operators.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "lamina/numeric.h"
#include "verify/numeric_order.h"
#include "verify/numeric_range.h"

namespace lamina {

struct ScalarRange {
  Range range;  // not yet cut to the type
  // A divisor that may be 0, an argument outside the domain: kind and detail. The range is that of
  // the remaining operands.
  std::optional<std::pair<Hazard::Kind, std::string>> hazard;
  bool vague = false;  // large bounds say nothing
};

// The values of the element-wise float node `n` of `graph` for operands in the given ranges.
ScalarRange scalar_range(const Graph& graph, NodeId n, std::span<const Range> operands,
                         const OrderFacts& facts);

}  // namespace lamina
