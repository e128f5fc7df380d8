// Indices, which are int in plans and graphs, as vectors take them.
#pragma once

#include <cstddef>

namespace lamina::pipeline {

inline std::size_t at(int index) { return static_cast<std::size_t>(index); }

}  // namespace lamina::pipeline
