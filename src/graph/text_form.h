// What printer and parser of the text form agree on about operators with inner graphs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "graph/op_def.h"

namespace lamina {

// The level of the inner graphs of `op` in a graph of level `outer`.
inline Level inner_level(const OpDef& op, Level outer) {
  if (op.name == "block") return Level::kBlock;
  return op.name == "thread" ? Level::kThread : outer;
}

// Inner graphs without a header have the arguments of the call from this one on as inputs (the
// first argument of `if` is the condition).
inline std::size_t first_passed_input(const OpDef& op) { return op.name == "if" ? 1 : 0; }

// The word before inner graph `index`; "" for operators with one graph.
inline std::string_view region_label(const OpDef& op, std::size_t index) {
  if (op.name != "if") return "";
  return index == 0 ? "then" : "else";
}

// The value of an attribute as it stands in the text form.
std::string written_attr(const Attr& value);

}  // namespace lamina
