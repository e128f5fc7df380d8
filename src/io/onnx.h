// ONNX models in (opsets 6 to 22) and out (17 or 18): docs/formats.md lists the operators.
#pragma once

#include <string>
#include <string_view>

#include "lamina/graph.h"
#include "lamina/io.h"

namespace lamina {

bool looks_like_onnx(std::string_view head);
Graph load_onnx(const std::string& path, const LoadOptions& options);
// Throws kUnsupported that names what ONNX has not: states, block graphs, packed weights, ...
void save_onnx(const std::string& path, const Graph& graph);

}  // namespace lamina
