// Compares shapes.
#include "graph/spread.h"

#include "graph/shaping.h"

namespace lamina {

std::optional<Spread> spread(const Dims& operand, const Dims& result) {
  if (operand == result) return Spread::kFull;
  const Dim elements = element_count(operand);
  if (elements == Dim(1)) return Spread::kSingle;
  const bool only_columns = operand.size() <= result.size() && operand.back() == result.back() &&
                            elements == result.back();
  return only_columns ? std::optional(Spread::kPerColumn) : std::nullopt;
}

}  // namespace lamina
