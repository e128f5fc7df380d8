// Fewer, larger operators, for planners whose time grows fast with their number.
#pragma once

#include <vector>

#include "lamina/pipeline.h"

namespace lamina::pipeline {

struct Merged {
  Computation computation;
  std::vector<std::vector<int>> members;  // of each of its operators, in the given computation
};
// Merges neighbours on a branch (what either needs or gives besides is on the way there or from
// there: shortcuts are no branches), those first that together take the least time, until at most
// `operators` are left or there are no more. Stages of merged operators cost what stages of their
// members do, but that `fixed_s` is that of a forward pass.
Merged merge_neighbours(const Computation& computation, int operators);

// The plan of the merged computation for the given one.
Plan unmerged(Plan plan, const Merged& merged);

}  // namespace lamina::pipeline
