// From a simplified graph to memory and steps: where every value lives and what runs in order.
//
// Views cost nothing: a move that keeps the row-major order of its operand (reshape, slices of the
// first axis, axes of size 1 inserted or permuted) is an alias of it, at an offset.
#pragma once

#include <optional>
#include <vector>

#include "exec/lower/arena.h"
#include "graph/op_def.h"

namespace lamina::lower {

// A piece of memory that holds one or more values.
struct Storage {
  enum class Kind {
    kInput,   // of the caller, given at each run; index: among the run's inputs
    kWeight,  // index: of Graph::inputs
    kState,   // index: of Graph::inputs
    kLoaded,  // computed once, when the weights are there
    kOutput,  // of the caller; index: of Graph::outputs
    kArena,   // lives from step `first` to step `last` of a run
  };
  Kind kind = Kind::kArena;
  int index = 0;
  DType dtype = DType::kF32;
  Dim elements;
  int first = 0;
  int last = 0;  // of the steps that read it (for all kinds)
  bool is_donated = false;
};

// A value: dense, row-major, `offset` elements into a storage.
struct Place {
  int storage = -1;
  Dim offset;
};

// A node to compute. Steps at load come first and run once.
struct Step {
  NodeId node = -1;
  bool at_load = false;
};

// A value to copy when all steps have run: it could not be computed in place.
struct FinalCopy {
  Place from;
  Place to;
  Dim elements;
};

struct Lowered {
  Graph graph;
  std::vector<Storage> storages;
  std::vector<std::vector<Place>> places;  // per node and output
  std::vector<Step> steps;
  std::vector<FinalCopy> output_copies;  // and old states that other states become
  std::vector<FinalCopy> state_copies;   // after output_copies: outputs may show old states

  const Place& place(Value value) const {
    return places[static_cast<std::size_t>(value.node)][static_cast<std::size_t>(value.output)];
  }
};

// `graph` as simplify() (graph/simplify.h) returns it.
Lowered lower(Graph graph);

// The arena of a size binding: offsets per storage (those in the arena), and its size.
ArenaPlan plan_storages(const Lowered& lowered, const Sizes& sizes);

// Per output of the node, the offset (in elements) at which it lies in operand 0; nullopt when one
// of them must be copied.
std::optional<Dims> view_offsets(const Graph& graph, const Node& node);

// True if `copy` copies all of operand `operand` to the same places of the output.
bool is_whole_copy(const Copy& copy, int operand, const Type& from, const Type& to);

}  // namespace lamina::lower
