// How long a pass takes: by the peak rates of a device, or measured here.
#include <algorithm>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "exec/cuda/gpu_machine.h"
#include "graph/work.h"
#include "lamina/bench.h"
#include "lamina/machine.h"
#include "lamina/pipeline.h"
#include "pipeline/pass_memory.h"

namespace lamina::pipeline {
namespace {

DeviceRates rates_of(const CpuMachine& machine) {
  return {machine.name, machine.flops_f32 * machine.cores, machine.all_cores_bytes_per_second,
          machine.launch_seconds, true};
}

}  // namespace

DeviceRates load_device_rates(const std::string& path) {
  const std::string text = read_file(path);
  const Json json = Json::parse(text);
  const Json* device = json.find("device");
  if (device != nullptr && *device == Json("cpu")) return rates_of(parse_cpu_machine(text, path));
  const cuda::GpuMachine gpu = cuda::parse_gpu_machine(text, path);
  return {gpu.name, gpu.flops_f32, gpu.bytes_per_second, gpu.launch_seconds};
}

DeviceRates this_device_rates(const RunOptions& options) {
  return rates_of(remembered_cpu_machine(options).machine);
}

PassTime modelled(const DeviceRates& rates) {
  require(rates.flops_per_s > 0.0 && rates.bytes_per_s > 0.0 && rates.launch_s >= 0.0,
          "{}: rates of a device must be positive", rates.name);
  return [rates](const Graph& pass) {
    return rates.launch_s + std::max(count_flops(pass, {}) / rates.flops_per_s,
                                     boundary_bytes(pass, {}) / rates.bytes_per_s);
  };
}

PassTime measured(const RunOptions& options) {
  return [options](const Graph& pass) {
    const auto program = compile(fill_weights(pass, 2), find_device("cpu"), options);
    const std::vector<Tensor> inputs = random_inputs(pass, {}, 1);
    std::vector<Tensor> outputs = program->run(inputs);
    const std::vector<std::function<void()>> runs = {[&] { program->run_into(inputs, outputs); }};
    constexpr TimingOptions kShort{.min_seconds = 0.05, .min_runs = 5, .max_runs = 200};
    return time_interleaved(runs, kShort)[0].median_ms / 1e3;
  };
}

}  // namespace lamina::pipeline
