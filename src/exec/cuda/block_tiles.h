// Where the tiles of a block live on a GPU: computed ones as floats in shared memory, loaded ones
// there in their own type (two of each where the loop brings them, so that the next copy runs while
// this one is used), or, where shared memory ends, not at all: they are read where they are.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "exec/cpu/block_plan.h"
#include "exec/cuda/gpu_machine.h"

namespace lamina::cuda {

// A piece of shared memory under a name.
struct Area {
  std::string name;
  std::string type;           // of its elements
  std::int64_t offset = 0;    // bytes
  std::int64_t elements = 0;  // of one buffer
  int buffers = 1;
};

// A load that is copied to shared memory.
struct StagedLoad {
  cpu::Place from;  // in the input
  cpu::Place to;
  int copy_bytes = 0;  // at once, asynchronously; 0: element by element
};

// A factor of a product that lies in device memory: pieces of it, of the product's `depth`, pass
// through two buffers. The rows in shared memory run along k, or along the other loop.
struct StagedFactor {
  std::string area;
  bool along_k = false;
  std::int64_t row = 0;  // elements from row to row
  int copy_bytes = 0;    // as StagedLoad
};

struct StagedProduct {
  std::int64_t depth = 0;
  std::optional<StagedFactor> a;
  std::optional<StagedFactor> b;
};

// plan_block() of the CPU decides phases, cuts and which values are kept; here its places are
// replaced by places on the GPU.
struct BlockTiles {
  cpu::BlockPlan plan;
  std::map<std::string, Area> areas;
  std::map<NodeId, StagedLoad> staged;
  std::map<NodeId, StagedProduct> products;
  int loop_buffers = 1;  // of the loads that the loop brings
  int warps = 4;
  std::int64_t shared_bytes = 0;
};

struct TileRequest {
  NodeView node;
  const GpuMachine& machine;
  std::vector<int> alignments;  // as EmitContext
};

// Throws kUnsupported for what a block cannot hold and kExhausted, with both numbers, when the
// computed tiles alone do not fit into shared memory.
BlockTiles plan_tiles(const TileRequest& request);

std::string_view element_type(DType dtype);  // as the prelude calls it
std::int64_t element_bytes(DType dtype);
// The dim as a number; throws kUnsupported where it depends on a named size.
std::int64_t constant_of(const Dim& dim, std::string_view what);

}  // namespace lamina::cuda
