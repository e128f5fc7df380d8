// The table of known functions.
#include "verify/known_function.h"

#include <algorithm>
#include <iterator>

namespace lamina {

const KnownFunction* known_function(std::string_view name) {
  constexpr SignSet kAny = SignSet::all();
  constexpr SignSet kSome = SignSet();
  static constexpr KnownFunction kFunctions[] = {
      {"exp", exp, kAny, true, 1, 0},
      {"log", log, SignSet::of(1), true, 0, 1},
      {"sqrt", sqrt, SignSet::not_negative(), true, 0, 0},
      {"erf", erf, kAny, true, 0, 0},
      {"asin", asin, kSome, true, 0, 0},
      {"atan", atan, kAny, true, 0, 0},
      {"asinh", asinh, kAny, true, 0, 0},
      {"acosh", acosh, kSome, true, 0, 1},
      {"atanh", atanh, kSome, true, 0, 0},
      {"acos", acos, kSome},
      {"sin", sin, kAny},
      {"cos", cos, kAny},
      {"floor", floor, kAny},
      {"round", round, kAny},
      {"trunc", trunc, kAny},
  };
  const auto* found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                   [&](const KnownFunction& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

}  // namespace lamina
