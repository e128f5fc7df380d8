// The steps of a block kernel: element-wise values, folds and products, each as text that all
// threads of a block run together, and what it reads and writes in shared memory.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "exec/cuda/block_tiles.h"

namespace lamina::cuda {

struct BlockStep {
  std::string text;
  std::set<std::string> reads;  // names of areas
  std::set<std::string> writes;
};

// What a product does with what lies at its output.
struct ProductFormat {
  std::string arithmetic;  // LmBf16, LmF16, LmTf32, LmFma
  int rows = 1;            // of warps
  int columns = 1;
  int row_pieces = 1;  // per warp
  int column_pieces = 1;
  std::int64_t row_steps = 1;  // how often the warps together start anew
  std::int64_t column_steps = 1;

  std::string type() const;
};

class StepWriter {
 public:
  StepWriter(const BlockTiles& tiles, const GpuMachine& machine, std::vector<std::string>& sizes)
      : tiles_(tiles), plan_(tiles.plan), machine_(machine), sizes_(sizes) {}

  // The value of `node` at `place`.
  BlockStep elementwise(NodeId node, const cpu::Place& place);
  BlockStep fold(NodeId node);
  // The product into its place, or onto what lies at `onto`.
  BlockStep product(NodeId node, const cpu::Place* onto);
  // The product added to the registers called `registers`, which accumulate over the whole loop.
  BlockStep accumulation(NodeId node, const std::string& registers);
  ProductFormat format(NodeId product) const;
  // Copies the tile of a staged load.
  std::string copy(NodeId load);
  // "registers.store(...)" of a product's registers to `place`.
  std::string store_registers(NodeId product, const std::string& registers,
                              const cpu::Place& place);

  std::string text(const Dim& dim);  // constants without the suffix of a long
  std::string base(const cpu::Place& place);
  int threads() const { return tiles_.warps * 32; }

 private:
  struct Fold;
  struct Numbers {  // text that computes values of the element in hand
    std::string body;
    std::set<NodeId> done;
    std::set<std::string> reads;
    std::string type;  // float, double
    NodeId domain = -1;
    NodeId computed = -1;  // lies in memory when this step has run, not before
  };

  std::string extent(NodeId id, std::size_t axis);
  std::string stride(const cpu::Place& place, const Dim& stride);
  std::string element(const cpu::Place& place, const Dims& strides);
  std::string split(const std::vector<std::size_t>& axes, NodeId domain, const std::string& from);
  std::string count(const std::vector<std::size_t>& axes, NodeId domain);
  std::string value(Numbers& numbers, NodeId id);
  std::string counter(const Numbers& numbers, NodeId id);
  std::string gathered(Numbers& numbers, NodeId id);
  bool needs_double(NodeId id) const;
  void refuse_moved_reads(const Numbers& numbers, const cpu::Place& to) const;
  Fold fold_of(NodeId id);
  std::string fold_loops(const Fold& fold, Numbers& numbers, NodeId id);
  struct Side;  // of a product: its rows or columns
  std::string operand(NodeId id, const Side& side, bool in_steps);
  std::optional<std::int64_t> matrix_stride(NodeId id, const Side& side) const;
  std::string staged_operand(NodeId id, const Side& side, bool in_steps);
  std::string stage_text(NodeId id, const Side& side, bool in_steps);
  std::string staged_adds(NodeId id, const std::string& registers, bool in_steps);
  std::string loop_extent(NodeId id, const std::vector<int>& loops);
  std::string length_from(NodeId id, const std::vector<int>& loops, const std::string& first);
  std::string batch_offset(const cpu::Place& place, const Dims& strides, NodeId id);
  std::string add_call(NodeId id, const std::string& registers, bool in_steps);
  std::string memory_call(NodeId id, std::string_view call, const cpu::Place& place, bool in_steps);
  BlockStep reads_of(NodeId id) const;

  const BlockTiles& tiles_;
  const cpu::BlockPlan& plan_;
  const GpuMachine& machine_;
  std::vector<std::string>& sizes_;
};

}  // namespace lamina::cuda
