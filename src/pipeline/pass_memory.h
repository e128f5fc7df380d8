// Bytes of values and of what a pass holds while it runs.
#pragma once

#include "lamina/graph.h"

namespace lamina::pipeline {

double value_bytes(const Type& type, const Sizes& sizes);
// Of inputs, weights and outputs, each once; of tables the rows that are looked up.
double boundary_bytes(const Graph& pass, const Sizes& sizes);
// The most that is alive at once when nodes run in order and each has memory of its own, inputs and
// outputs apart. Views take none, and element-wise nodes take that of an operand whose life they
// end.
double workspace_bytes(const Graph& pass, const Sizes& sizes);

}  // namespace lamina::pipeline
