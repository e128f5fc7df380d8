// Which part of a block graph a node belongs to.
#pragma once

#include <vector>

#include "draw/scene.h"

namespace lamina::draw {

// Per node: what it loads, what does not change in the loop, what the loop does, what is done with
// its results, and what is stored.
std::vector<Band> block_bands(const Graph& graph);

}  // namespace lamina::draw
