// Convolutions with what follows them, as regions to fuse.
#pragma once

#include <optional>
#include <vector>

#include "lamina/graph.h"
#include "search/region.h"

namespace lamina::search {

// Per convolution with channels last whose filters are weights: the element-wise operators behind
// it that a kernel can apply as it stores the sums (docs/design/convolution.md), as far as only one
// value is read outside. Convolutions that nothing follows are left out.
std::vector<Region> convolution_regions(const Graph& prepared);

// An instance of a region of convolution_regions() with few channels and positions, but with the
// same windows. Nothing for another program, and where it does not fit together.
std::optional<Graph> small_convolution(const Graph& region);

// An extent in which some windows of a convolution fit and some reach outside, at most `extent`.
Dim small_extent(const Dim& extent, const Dim& reach, std::int64_t stride);

}  // namespace lamina::search
