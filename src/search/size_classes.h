// Classes of sizes: parts of the ranges of a graph's named sizes that get programs of their own.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "lamina/graph.h"

namespace lamina::search {

// One range for every named size of a graph, in the graph's order.
using SizeClass = std::vector<SizeRange>;

// The range of each name is cut after 1, 8, 32, 128, 512 and 2048; the classes are the product of
// these parts, in ascending order. While there are more than `most`, the two neighbouring parts of
// one name whose ends are in the smallest ratio are joined. One class when nothing cuts.
std::vector<SizeClass> size_classes(const Graph& graph, std::size_t most = 8);

// `graph` with these ranges instead of its own, inner graphs too.
Graph with_ranges(const Graph& graph, const SizeClass& sizes);

// `graph` for the sizes of a class alone: what has one value there is bound to it.
Graph narrow(const Graph& graph, const SizeClass& sizes);

// The class of the sizes of either, where that is one: all ranges are equal but one, and there one
// begins after the other ends.
std::optional<SizeClass> join(const SizeClass& a, const SizeClass& b);

}  // namespace lamina::search
