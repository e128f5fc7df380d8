// The CPU device and what its programs share: thread pools, packed weights, the compile cache.
#include "exec/cpu/cpu_device.h"

#include <map>
#include <mutex>

#include "base/check.h"
#include "exec/cpu/cpu_program.h"
#include "exec/cpu/target.h"
#include "exec/ref/ref_device.h"

namespace lamina {
namespace {

// A machine without a compiler: correct, slow, and counted.
class InterpretedProgram final : public Program {
 public:
  explicit InterpretedProgram(const Graph& graph) : program_(ref_device().compile(graph, {})) {
    for (const Node& node : graph.nodes) {
      if (node.op->name == "input") continue;
      ++stats_.fallbacks;
      stats_.fallback_ops.emplace_back(node.op->name);
    }
  }

  void set_weight(std::string_view name, const Tensor& value) override {
    program_->set_weight(name, value);
  }
  std::vector<Tensor> run(std::span<const Tensor> inputs) override { return program_->run(inputs); }
  void run_into(std::span<const Tensor> inputs, std::span<Tensor> outputs) override {
    program_->run_into(inputs, outputs);
  }
  Tensor state(std::string_view name) override { return program_->state(name); }
  void reset_state() override { program_->reset_state(); }
  const Graph& graph() const override { return program_->graph(); }
  ProgramStats stats() const override { return stats_; }

 private:
  std::unique_ptr<Program> program_;
  ProgramStats stats_;
};

// Pools by number of threads, for as long as some program holds them.
class Pools {
 public:
  std::shared_ptr<ThreadPool> get(int threads) {
    const int count = threads > 0 ? threads : usable_cores();
    const std::lock_guard lock(mutex_);
    std::weak_ptr<ThreadPool>& entry = pools_[count];
    auto pool = entry.lock();
    if (pool == nullptr) {
      pool = std::make_shared<ThreadPool>(count);
      entry = pool;
    }
    return pool;
  }

 private:
  std::mutex mutex_;
  std::map<int, std::weak_ptr<ThreadPool>> pools_;
};

class CpuDevice final : public Device {
 public:
  std::string_view name() const override { return "cpu"; }

  std::string description() const override {
    const auto compiler = cpu::find_compiler();
    const cpu::Target target = cpu::detect_target();
    return fmt::format("{}, {}, {} cores, {}", cpu::processor_name(), cpu::instruction_set(target),
                       usable_cores(),
                       compiler ? compiler->path
                                : "no C++ compiler in PATH (c++, g++ or clang++): programs are "
                                  "interpreted, which is slow");
  }

  std::unique_ptr<Program> compile(const Graph& graph, const RunOptions& options) const override {
    const auto compiler = cpu::find_compiler();
    if (!compiler) return std::make_unique<InterpretedProgram>(graph);
    require(options.threads >= 0 && options.threads <= kMaxThreads,
            "threads: expected 0 to {}, got {}", kMaxThreads, options.threads);
    cpu::Shared shared{pools_->get(options.threads),
                       packed_,
                       nullptr,
                       cpu::detect_target(),
                       options.max_compiles,
                       options.arena != nullptr ? options.arena : std::make_shared<Arena>()};
    const std::string folder =
        options.cache_dir.empty() ? cpu::default_cache_dir() : options.cache_dir;
    shared.cache = std::make_shared<const cpu::CompileCache>(folder, *compiler, shared.target);
    return std::make_unique<cpu::CpuProgram>(graph, std::move(shared));
  }

 private:
  static constexpr int kMaxThreads = 1024;

  std::shared_ptr<cpu::PackedWeights> packed_ = std::make_shared<cpu::PackedWeights>();
  std::shared_ptr<Pools> pools_ = std::make_shared<Pools>();
};

}  // namespace

const Device& cpu_device() {
  static const CpuDevice device;
  return device;
}

}  // namespace lamina
