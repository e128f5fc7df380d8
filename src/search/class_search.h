// Programs for classes of sizes beside the program of all sizes.
#pragma once

#include <functional>
#include <stop_token>

#include "lamina/optimize.h"

namespace lamina::search {

// Optimises a graph for all its sizes.
using Search = std::function<OptimizeResult(const Graph& graph, const OptimizeProgress& progress)>;

struct ClassSearch {
  const Device& device;
  const OptimizeOptions& options;
  std::stop_token stop;
  const Search& search;
  const OptimizeProgress& progress;
};

// Searches the graph once for each class of its sizes and adds what became of them to `result`,
// which holds the program of all sizes. A program of a class is kept where it is faster at the
// sizes of the class than that one, and slower at none. Neighbours with the same program become one
// class.
void search_classes(const Graph& graph, const ClassSearch& context, OptimizeResult& result);

}  // namespace lamina::search
