// Adding nodes whose names are known to be new: Graph::add compares a name with all others.
#pragma once

#include "lamina/graph.h"

namespace lamina {

// Like Graph::add with the operator, name, inputs, attributes and inner graphs of `node`. No other
// node of the graph may have its name.
Value add_named(Graph& graph, Node node);

}  // namespace lamina
