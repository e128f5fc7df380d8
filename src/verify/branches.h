// Which free variables stand for branches, and where to look whether all branches are defined.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lamina {

// How many of the fresh values, by function, are comparisons, maxima, selections or roundings.
std::int64_t count_branches(const std::map<std::string, std::size_t>& fresh);

// Distributions of real points (draw_reals) at which no exponential overflows: the fewer branches
// there are, the more points, so that each outcome of each is seen.
std::vector<int> gentle_points(std::int64_t branches);

}  // namespace lamina
