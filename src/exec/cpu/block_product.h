// Matrix products of block kernels, through register tiles.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "exec/cpu/block_plan.h"
#include "exec/cpu/gemm_text.h"
#include "exec/cpu/thread_graph.h"

namespace lamina::cpu {

// Writes products and gathers the tiles that they need.
class ProductWriter {
 public:
  ProductWriter(const EmitContext& context, const BlockPlan& plan, Kernel& kernel)
      : context_(context), plan_(plan), kernel_(kernel), shape_(context.target) {}

  // The product of node `id` into its place or, when it accumulates, onto the state at `onto`.
  std::string write(NodeId id, const Place* onto);
  // The product of node `id` as a pass; `next`: it, or its sum with `addend`, which lies there.
  ThreadPass pass(NodeId id, std::optional<Value> addend, NodeId next) const;
  // Definitions of the tiles used so far.
  std::string tiles() const;

 private:
  std::string text(const Dim& dim) { return dim_text(dim, kernel_.sizes); }
  std::string loop_extent(NodeId id, int loop);
  std::string offset(const Dims& strides, const std::vector<int>& loops);
  std::string step(const Dims& strides, const std::vector<int>& loops);
  std::string open(NodeId id, const std::vector<int>& loops);
  std::string packed_text(NodeId id);
  std::string packing_text(NodeId id);
  std::string call_text(NodeId id, const Place& out, bool first);
  std::string strips_call(NodeId id, const Place& out, bool first);
  int tile_set(NodeId id);

  const EmitContext& context_;
  const BlockPlan& plan_;
  Kernel& kernel_;
  TileShape shape_;
  std::vector<TileSpec> specs_;
  std::set<int> strips_;  // of these, who reads strips
};

}  // namespace lamina::cpu
