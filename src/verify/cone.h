// The cone of an output element: the part of a program that this element needs, as a graph.
//
// A cone has the full lengths of the sums, the full trip counts of loops and the real places of
// tiles: blocks are unrolled, and of their grids only the points that write what is needed are in
// it. So it costs little to evaluate, and says what the program does at full shape
// (docs/design/verify.md, "Elements").
#pragma once

#include <optional>
#include <vector>

#include "lamina/graph.h"
#include "verify/box.h"

namespace lamina {

// Of every input, in order, what is read of it; absent: nothing.
using InputParts = std::vector<std::optional<Box>>;

struct Cone {
  Graph graph;  // one output; one input for each that is read, under its name
  InputParts read;
  double points = 0.0;  // of all loop nests: what evaluating it costs
};

// Of the box of a value of a graph without named sizes. `given`: what its inputs hold of the
// inputs of the program (empty: all of them); all that is read must be among it. Integer inputs are
// read whole. Throws kUnsupported where more than `most_points` would be evaluated.
Cone make_cone(const Graph& graph, Value value, const Box& box, double most_points,
               const InputParts& given = {});

}  // namespace lamina
