// Programs of the CPU device.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "exec/cpu/compile_cache.h"
#include "exec/cpu/launch_plan.h"
#include "exec/cpu/packing.h"
#include "lamina/device.h"

namespace lamina::cpu {

// What programs share.
struct Shared {
  std::shared_ptr<ThreadPool> pool;
  std::shared_ptr<PackedWeights> packed;
  std::shared_ptr<const CompileCache> cache;
  Target target;
  int max_compiles = 64;
  std::shared_ptr<Arena> arena;
};

// Compiled once for all sizes; plans (arena, pointers, task counts) are made per size binding and
// the last few are kept. Weights whose elements live on only in packed form are dropped, here and
// in graph(): to change a weight after the first run, give all such weights again.
class CpuProgram final : public Program {
 public:
  CpuProgram(const Graph& graph, Shared shared);
  ~CpuProgram() override;

  void set_weight(std::string_view name, const Tensor& value) override;
  std::vector<Tensor> run(std::span<const Tensor> inputs) override;
  void run_into(std::span<const Tensor> inputs, std::span<Tensor> outputs) override;
  std::vector<StepTime> profile(std::span<const Tensor> inputs) override;
  Tensor state(std::string_view name) override;
  void reset_state() override;
  const Graph& graph() const override { return graph_; }
  ProgramStats stats() const override { return stats_; }
  std::string source() const override;

  // run() of a body, whose sizes are those of the graph around it.
  std::vector<Tensor> run_body(const Sizes& sizes, std::span<const Tensor> inputs);

 private:
  void count_fallbacks(const std::vector<std::string>& ops);
  void compile_kernels();
  void compile_bodies();

  void load();
  void pack_weights();
  std::vector<bool> needed_storages() const;
  void drop_weights();
  void make_states(const Sizes& sizes);

  const LaunchPlan& find_plan(std::span<const Tensor> inputs);
  const LaunchPlan& plan_for(const Sizes& sizes);
  void prepare_scratch(const LaunchPlan& plan);
  std::vector<Tensor> allocate_outputs(const LaunchPlan& plan) const;

  void execute(const LaunchPlan& plan, std::span<const Tensor> inputs, std::span<Tensor> outputs);
  void find_bases(const LaunchPlan& plan, std::span<const Tensor> inputs,
                  std::span<Tensor> outputs);
  void run_launches(const LaunchPlan& plan);
  void run_launch(const Launch& launch, const LaunchPlan& plan);
  void run_kernel(const Launch& launch, const LaunchPlan& plan);
  void run_on_host(int step, const Sizes& sizes);
  void copy_bytes(const std::vector<ByteCopy>& copies);
  std::byte* resolve(const Address& address) const;
  Tensor tensor_at(Value value, const Sizes& sizes) const;

  Graph graph_;
  Shared shared_;
  lower::Lowered lowered_;
  std::vector<StepCode> code_;
  std::vector<std::vector<std::unique_ptr<CpuProgram>>> bodies_;  // per step
  std::vector<std::shared_ptr<void>> libraries_;
  std::vector<DType> input_dtypes_;  // of the run's inputs
  ProgramStats stats_;
  std::vector<StepTime>* times_ = nullptr;  // of the steps of the run, while it is profiled

  bool loaded_ = false;
  int loads_ = 0;  // that were done
  std::optional<LaunchPlan> load_plan_;
  std::vector<bool> needed_;  // per storage: runs read it as it is
  std::vector<Tensor> kept_;  // per storage: weights, loaded values and states
  std::vector<std::shared_ptr<Buffer>> packs_;
  std::vector<LaunchPlan> plans_;  // most recently used first
  std::shared_ptr<Buffer> scratch_;
  std::int64_t scratch_stride_ = 0;
  std::vector<std::byte*> bases_;  // per storage, of the run
  std::vector<void*> pointers_;    // of the launches, of the run
};

}  // namespace lamina::cpu
