// Bytes of values and of what a pass holds while it runs.
#pragma once

#include "lamina/graph.h"

namespace lamina::pipeline {

double value_bytes(const Type& type, const Sizes& sizes);
// Of inputs, weights and outputs, each once; of states that are updated twice; of tables the rows
// that are looked up.
double boundary_bytes(const Graph& pass, const Sizes& sizes);
// Of a pass of constant shapes on the cpu device: the block of memory for values that are neither
// inputs nor outputs.
double workspace_bytes(const Graph& pass);

}  // namespace lamina::pipeline
