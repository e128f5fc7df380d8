// The version of the program.
#pragma once

#include <string_view>

namespace lamina {

// "0.1.0", as in CMakeLists.txt. Caches have versions of their own.
std::string_view version();

}  // namespace lamina
