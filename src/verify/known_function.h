// What is known of functions that become fresh variables (docs/design/verify.md, "Cells").
#pragma once

#include <cstdint>
#include <string_view>

#include "num/interval.h"
#include "verify/sign_set.h"

namespace lamina {

// An increasing function takes the value `value` at `argument` only.
struct KnownFunction {
  std::string_view name;
  Interval (*range)(const Interval&);
  SignSet domain;  // signs of arguments at which it is certainly defined
  bool increasing = false;
  std::int64_t value = 0;
  std::int64_t argument = 0;
};

// nullptr for others.
const KnownFunction* known_function(std::string_view name);

}  // namespace lamina
