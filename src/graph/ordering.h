// What the operators that order elements along an axis share.
#pragma once

#include "graph/op_def.h"

namespace lamina {

// Shape rule and samples of argmax and argmin.
std::vector<Type> infer_position(const NodeView& node);
std::vector<Sample> position_samples();
OrderForm position_form(const NodeView& node, bool largest);

// argmax or argmin: attributes axis, keepdims, and select_last (of equal elements, the last).
template <bool largest>
OpDef extremum_position(std::string_view name) {
  return {.name = name,
          .kind = Kind::kReduce,
          .attrs = {{"axis", AttrKind::kInteger, std::int64_t{0}},
                    {"keepdims", AttrKind::kFlag, false},
                    {"select_last", AttrKind::kFlag, false}},
          .infer = infer_position,
          .order_form = [](const NodeView& node) { return position_form(node, largest); },
          .samples = position_samples};
}

// Of an operator whose output 0 are elements along the attribute `axis` and whose output 1 are
// their positions: gradients return to where the elements came from.
std::vector<Value> order_gradient(const GradientView& node);

}  // namespace lamina
