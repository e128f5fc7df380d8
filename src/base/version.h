// The version of the program.
#pragma once

#include <string_view>

namespace lamina {

// "0.1.0", as in CMakeLists.txt. Part of the keys of caches.
std::string_view version();

}  // namespace lamina
