// Functions that expressions may call and that are no operators: abbreviations.
#pragma once

#include <string_view>

namespace lamina {

// name(parameters) = body, an infix expression; parameters are separated by blanks.
struct DerivedFunction {
  std::string_view name;
  std::string_view parameters;
  std::string_view body;
};

// nullptr if there is none.
const DerivedFunction* derived_function(std::string_view name);

}  // namespace lamina
