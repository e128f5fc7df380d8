// The main job for GPUs: partition, tilings by the rules, the cheapest by the cost model that fits
// and is proved, and the text of all kernels.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "base/check.h"
#include "exec/cpu/compile_cache.h"
#include "exec/cuda/cuda_device.h"
#include "exec/cuda/gpu_cost.h"
#include "exec/cuda/host_source.h"
#include "exec/cuda/toolkit.h"
#include "exec/cuda/torch_source.h"
#include "lamina/bench.h"
#include "lamina/cuda.h"
#include "search/candidates.h"
#include "search/judge.h"
#include "search/partition.h"

namespace lamina {
namespace {

using namespace search;
using cuda::GpuMachine;

constexpr std::int64_t kLargestBinding = 128;  // of a named size, for the cost model

struct Candidate {
  Recipe recipe;
  double seconds = 0.0;
};

GpuMachine machine_of(const CudaOptions& options) {
  const GpuMachine machine = options.machine.empty() ? cuda::shipped_gpu_machine(options.target)
                                                     : cuda::load_gpu_machine(options.machine);
  require(machine.target() == options.target, "the machine {} is of {}, not of {}", machine.name,
          machine.target(), options.target);
  return machine;
}

class CudaOptimizer {
 public:
  CudaOptimizer(const CudaOptions& options, std::stop_token stop)
      : options_(options), stop_(std::move(stop)), machine_(machine_of(options)) {}

  CudaResult run(const Graph& graph) {
    const Graph prepared = prepare(graph);
    sizes_ = choose_bindings(prepared, kLargestBinding).back();
    std::vector<Replacement> replacements;
    std::map<std::string, std::pair<Recipe, std::size_t>> known;  // and its row
    for (const Region& region : regions(prepared)) {
      const Graph program = cut(prepared, region);
      const std::string hash = structure_hash(program);
      auto found = known.find(hash);
      if (found == known.end()) {
        found = known.emplace(hash, std::pair(search(program), result_.regions.size() - 1)).first;
      } else {
        ++result_.regions[found->second.second].count;
      }
      const Recipe& recipe = found->second.first;
      if (!recipe.parts.empty()) replacements.push_back({region, *apply(program, recipe)});
    }
    finish(prepared, replace(prepared, replacements));
    return std::move(result_);
  }

 private:
  // Those of the partition, and each product that it leaves alone: on a CPU such a product has a
  // fast kernel, on a GPU only blocks have.
  std::vector<Region> regions(const Graph& prepared) const {
    std::vector<Region> found = partition(prepared, rates()).regions;
    std::set<NodeId> taken;
    for (const Region& region : found) taken.insert(region.nodes.begin(), region.nodes.end());
    for (const NodeId id : operator_nodes(prepared)) {
      const auto& name = op_name(prepared.nodes[static_cast<std::size_t>(id)]);
      if (name == "matmul" && taken.count(id) == 0) found.push_back({{id}});
    }
    return found;
  }

  bool out_of_time() const {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
    return stop_.stop_requested() || taken.count() > options_.budget_s;
  }

  double seconds(const Graph& graph) const {
    return cuda::seconds_of(cuda::emit_graph(graph, machine_), machine_, sizes_);
  }

  Recipe search(const Graph& program) {
    CudaRegion row;
    row.name = program.name;
    row.choice = "unfused";
    row.unfused_us = row.predicted_us = 1e6 * seconds(program);
    const Recipe chosen = choose(program, row);
    result_.regions.push_back(row);
    return chosen;
  }

  // Of a share of the GPU: one of `units`.
  BlockMachine block_machine(double units) const {
    const double special = machine_.special_per_second / units;
    return {.flops_per_s = machine_.flops_f32 / units,
            .bytes_per_s = machine_.bytes_per_second / units,
            .elements_per_s = machine_.flops_f32 / 2.0 / units,
            .exp_per_s = special,
            .div_per_s = special,
            .sqrt_per_s = special};
  }

  // The GPU as one core: kernels with few blocks are left to the cost model of kernels.
  Rates rates() const {
    Rates rates;
    rates.core = block_machine(1.0);
    // The size of the cache is not described: values between kernels are taken to leave it.
    rates.near_bytes_per_s = machine_.cache_bytes_per_second;
    rates.kernel_s = machine_.launch_seconds;
    return rates;
  }

  // Candidates with kernels that fit, the cheapest first.
  std::vector<Candidate> candidates(const Graph& program, CudaRegion& row) const {
    Limits limits;
    limits.threads = machine_.multiprocessors;
    limits.machine = block_machine(machine_.multiprocessors);
    limits.machine.launch_s = machine_.launch_seconds;
    limits.candidates = static_cast<std::size_t>(std::max(1, options_.candidates));
    std::vector<Candidate> found;
    for (Recipe& recipe : all_candidates(program, rates(), limits).recipes) {
      const auto graph = apply(program, recipe);
      ++row.candidates;
      if (!graph || recipe.parts.empty()) {
        ++row.refused;
        continue;
      }
      try {
        found.push_back({std::move(recipe), seconds(*graph)});
      } catch (const Error& error) {
        const bool expected =
            error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kExhausted;
        if (!expected) throw;
        ++row.refused;
      }
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const Candidate& a, const Candidate& b) { return a.seconds < b.seconds; });
    return found;
  }

  Recipe choose(const Graph& program, CudaRegion& row) const {
    const std::vector<Candidate> found = candidates(program, row);
    if (found.empty()) return {};
    const Judge judge(program, {}, static_cast<std::uint64_t>(options_.seed));
    int tried = 0;
    for (const Candidate& candidate : found) {
      if (1e6 * candidate.seconds >= row.unfused_us || out_of_time()) break;
      ++tried;
      const Verdict verdict = judge.prove(candidate.recipe, found.size());
      if (verdict.outcome != Outcome::kEquivalent) {
        ++row.refused;
        continue;
      }
      row.choice = candidate.recipe.describe();
      row.predicted_us = 1e6 * candidate.seconds;
      row.bits = verdict.bits.value_or(0.0) - std::log2(tried);
      return candidate.recipe;
    }
    return {};
  }

  void finish(const Graph& prepared, Graph optimized) {
    const cuda::GraphKernels code = cuda::emit_graph(optimized, machine_);
    result_.unfused_us = 1e6 * seconds(prepared);
    result_.predicted_us = 1e6 * cuda::seconds_of(code, machine_, sizes_);
    result_.machine = machine_.name;
    result_.kernels = static_cast<int>(code.kernels.size());
    std::vector<cuda::Kernel> kernels;
    for (const auto& use : code.kernels) kernels.push_back(use.kernel);
    result_.source = cuda::translation_unit(kernels);
    try {
      result_.torch_source = cuda::torch_source(code);
      result_.host_source = cuda::host_source(code);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      result_.torch_refusal = error.what();
    }
    if (const auto nvcc = cuda::find_nvcc()) {
      const std::string folder =
          options_.cache_dir.empty() ? cpu::default_cache_dir() : options_.cache_dir;
      result_.cubin = cuda::compile_cubin(*nvcc, result_.source, machine_.sm, folder);
    }
    result_.run = run_here(prepared, optimized);
    result_.graph = std::move(optimized);
  }

  // Compares with the reference device, every element, where there is a GPU.
  std::string run_here(const Graph& prepared, const Graph& optimized) const {
    const auto found = cuda_devices();
    const Device* device = found.empty() ? nullptr : found.front();
    if (device == nullptr) return "not run: there is no GPU here";
    const auto seed = static_cast<std::uint64_t>(options_.seed);
    const Graph filled = fill_weights(prepared, seed);
    const Judge judge(filled, {sizes_}, seed);
    const auto program = device->compile(fill_weights(optimized, seed), {});
    const auto difference = judge.difference_from_reference(*program);
    if (difference) fail(ErrorCode::kInternal, "the GPU's result is wrong: {}", *difference);
    return "run: equal to the reference device on every element, within its tolerance";
  }

  const CudaOptions& options_;
  std::stop_token stop_;
  GpuMachine machine_;
  Sizes sizes_;
  CudaResult result_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

CudaResult optimize_for_cuda(const Graph& graph, const CudaOptions& options, std::stop_token stop) {
  validate(graph);
  return CudaOptimizer(options, std::move(stop)).run(graph);
}

}  // namespace lamina
