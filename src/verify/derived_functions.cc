// The table of abbreviations: usual functions and C names of operators (FPCore uses those).
#include "verify/derived_functions.h"

#include <algorithm>
#include <array>

namespace lamina {
namespace {

constexpr auto kFunctions = std::to_array<DerivedFunction>({
    {"pi", "", "4*atan(1)"},
    {"expm1", "x", "exp(x) - 1"},
    {"log1p", "x", "log(1 + x)"},
    {"exp2", "x", "2^x"},
    {"exp10", "x", "10^x"},
    {"log2", "x", "log(x)/log(2)"},
    {"log10", "x", "log(x)/log(10)"},
    {"ln", "x", "log(x)"},
    {"sec", "x", "1/cos(x)"},
    {"csc", "x", "1/sin(x)"},
    {"cot", "x", "cos(x)/sin(x)"},
    {"sech", "x", "1/cosh(x)"},
    {"csch", "x", "1/sinh(x)"},
    {"coth", "x", "cosh(x)/sinh(x)"},
    {"erfc", "x", "1 - erf(x)"},
    {"atan2", "y x", "2*atan(y/(sqrt(x^2 + y^2) + x))"},
    {"copysign", "x y", "select(y < 0, -abs(x), abs(x))"},
    {"remainder", "x y", "x - y*round(x/y)"},
    {"hypot", "x y", "sqrt(x^2 + y^2)"},
    {"fma", "x y z", "x*y + z"},
    {"fdim", "x y", "max(x - y, 0)"},
    {"fabs", "x", "abs(x)"},
    {"fmax", "x y", "max(x, y)"},
    {"fmin", "x y", "min(x, y)"},
    {"nearbyint", "x", "round(x)"},
    {"isnan", "x", "is_nan(x)"},
    {"isinf", "x", "is_inf(x)"},
    {"and", "x y", "logical_and(x, y)"},
    {"or", "x y", "logical_or(x, y)"},
    {"not", "x", "logical_not(x)"},
    {"if", "c x y", "select(c, x, y)"},
});

}  // namespace

const DerivedFunction* derived_function(std::string_view name) {
  const auto found = std::find_if(kFunctions.begin(), kFunctions.end(),
                                  [&](const DerivedFunction& f) { return f.name == name; });
  return found == kFunctions.end() ? nullptr : &*found;
}

}  // namespace lamina
