// Which tiles to try for a subprogram.
#pragma once

#include <vector>

#include "lamina/device.h"
#include "lamina/graph.h"
#include "search/tiling.h"

namespace lamina::search {

const Dims& root_shape(const Graph& program);  // of the first output, whose axes a grid cuts

// Large values of the named sizes, for choosing tiles, and an extent at them.
Sizes sizes_of(const Graph& program);
std::int64_t typical(const Graph& program, const Dim& dim);

// Points of the grid of a tiling.
std::int64_t count_tasks(const Graph& program, const Tiling& tiling);

// In the order in which they should be tried: those that keep every thread busy come first.
std::vector<Tiling> tilings_of(const Graph& program, int threads);

}  // namespace lamina::search
