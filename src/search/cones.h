// Cones: parts of a subprogram that a search takes as inputs. A cone is a node with all that leads
// to it, computed on tiles as the program says. What is not arithmetic of floats (the positions and
// comparisons of a mask, gathers by indices) always goes into cones; so do, in subprograms too
// large to be searched, preparations of operands such as norms.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "lamina/graph.h"
#include "search/block_program.h"

namespace lamina::search {

struct Collapsed {
  Graph program;              // with a new input for each cone; outputs as before
  std::vector<Value> inputs;  // what each input of it is in the original
};

// `program` with no more than `most` operators, if cones can make it so. Nullopt where what is not
// arithmetic of floats cannot be in a cone: it depends on a product, or is an output.
std::optional<Collapsed> collapse(const Graph& program, std::size_t most);

// A program that was found for `collapsed`, as one for the original.
BlockProgram restore(const BlockProgram& found, const Collapsed& collapsed, const Graph& program);

}  // namespace lamina::search
