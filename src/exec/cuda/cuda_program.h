// Programs on a GPU: every operator a generated kernel; none falls back to the host.
#pragma once

#include <map>
#include <memory>

#include "exec/cuda/gpu.h"
#include "exec/lower/lower.h"
#include "lamina/device.h"

namespace lamina::cuda {

// The kernels of a graph's steps, in order, under names that differ. Steps without kernels are
// constants, which the host computes once.
struct GraphKernels {
  lower::Lowered lowered;
  struct Use {
    std::size_t step = 0;
    Kernel kernel;
  };
  std::vector<Use> kernels;
};

// Throws kUnsupported that names the operator for which there is no kernel.
GraphKernels emit_graph(const Graph& graph, const GpuMachine& machine);

// Inputs are copied to the GPU and outputs back in every run; weights and states stay there, and
// state() gives a copy.
class CudaProgram final : public Program {
 public:
  CudaProgram(const Graph& graph, std::shared_ptr<Gpu> gpu);

  void set_weight(std::string_view name, const Tensor& value) override;
  std::vector<Tensor> run(std::span<const Tensor> inputs) override;
  void run_into(std::span<const Tensor> inputs, std::span<Tensor> outputs) override;
  Tensor state(std::string_view name) override;
  void reset_state() override;
  const Graph& graph() const override { return graph_; }
  ProgramStats stats() const override { return stats_; }
  std::string source() const override;

 private:
  void load();
  void compute_constants();
  void make_states(const Sizes& sizes);
  void prepare(const Sizes& sizes);
  void launch_all(const Sizes& sizes, bool at_load);
  void copy_all(const std::vector<lower::FinalCopy>& copies, const Sizes& sizes);
  GpuAddress address(const lower::Place& place, const Sizes& sizes) const;
  std::int64_t bytes_of(const lower::Storage& storage, const Sizes& sizes) const;
  void fill(std::size_t storage, const Tensor& value);

  Graph graph_;
  std::shared_ptr<Gpu> gpu_;
  GraphKernels code_;
  std::vector<std::uint64_t> functions_;
  std::vector<GpuBuffer> buffers_;  // per storage outside the arena
  GpuBuffer arena_;
  lower::ArenaPlan arena_plan_;
  bool loaded_ = false;
  std::map<std::size_t, Shape> states_;  // shapes of the states that exist, by storage
  ProgramStats stats_;
};

}  // namespace lamina::cuda
