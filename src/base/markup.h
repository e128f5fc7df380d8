// Text inside HTML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace lamina {

// The text with & < > " written as entities. Control characters, which XML does not allow, become
// spaces; bytes that are not UTF-8 become U+FFFD.
std::string escape_markup(std::string_view text);

}  // namespace lamina
