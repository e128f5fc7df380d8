// Recipes as text, for the file of found programs.
//
//   recipe  = part { ";" part }
//   part    = node { "," node } "/" tile { "," tile } "/" loop [ "/" program ]
//   program = grid ":" loops "|" { step "|" } outputs
//   step    = "L" input ":" cuts | "C" number | "A" op ":" attributes ":" operands
//           | ("S" | "M" | "R" | "Z") operands
#pragma once

#include <string>
#include <string_view>

#include "search/candidates.h"

namespace lamina::search {

// "" for the unfused program. nullopt where an attribute has no text form.
std::optional<std::string> encode(const Recipe& recipe);
// Throws kInvalidArgument that says what is wrong.
Recipe decode(std::string_view text);

}  // namespace lamina::search
