// Running a program exactly, rounded node by node, and with running error bounds.
#pragma once

#include <vector>

#include "graph/array.h"
#include "lamina/graph.h"
#include "verify/numeric_trace.h"

namespace lamina {

using NumericSample = std::vector<Array<double>>;         // one array per input
using NumericResults = std::vector<std::vector<double>>;  // of the outputs and next states

// In doubles, nothing is rounded to a type. `trace`, if given, records the run.
NumericResults run_exact(const Graph& graph, const NumericSample& sample, Trace* trace = nullptr);

// The result of every node is rounded to its type; sums are kept in f32, or in f64 where the
// program holds that type. `trace`, if given, compares with the run that it recorded.
NumericResults run_rounded(const Graph& graph, const NumericSample& sample, Trace* trace = nullptr);

// The rounded run, and for every element a bound of its distance from the exact value: infinite
// where intervals give none. Holds while no comparison is decided otherwise.
struct BoundedResults {
  NumericResults values;
  NumericResults errors;
};
BoundedResults run_bounded(const Graph& graph, const NumericSample& sample);

}  // namespace lamina
