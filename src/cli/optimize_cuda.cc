// Files, report and table of a program for a GPU.
#include "cli/optimize_cuda.h"

#include <fmt/core.h>

#include <cmath>
#include <filesystem>

#include "base/files.h"
#include "lamina/io.h"

namespace lamina::cli {
namespace {

Json describe(const CudaResult& result) {
  Json row;
  row["machine"] = result.machine;
  row["kernels"] = result.kernels;
  row["unfused_us_by_model"] = result.unfused_us;
  row["predicted_us"] = result.predicted_us;
  row["compiled"] = !result.cubin.empty();
  row["run"] = result.run;
  row["torch_extension"] = result.torch_source.empty() ? result.torch_refusal : "written";
  row["regions"] = Json::Array{};
  for (const CudaRegion& region : result.regions) {
    Json entry;
    entry["name"] = region.name;
    entry["count"] = region.count;
    entry["choice"] = region.choice;
    entry["unfused_us_by_model"] = region.unfused_us;
    entry["predicted_us"] = region.predicted_us;
    entry["bits"] = region.bits;
    entry["candidates"] = region.candidates;
    entry["refused"] = region.refused;
    row["regions"].push_back(std::move(entry));
  }
  return row;
}

void print(const CudaResult& result) {
  fmt::print("{}: {} kernels, {} to {} us by the cost model (unfused to fused)\n", result.machine,
             result.kernels, std::round(10 * result.unfused_us) / 10,
             std::round(10 * result.predicted_us) / 10);
  for (const CudaRegion& region : result.regions) {
    fmt::print("  {} x{}: {}, {:.1f} -> {:.1f} us, {:.0f} bits, {} candidates, {} refused\n",
               region.name, region.count, region.choice, region.unfused_us, region.predicted_us,
               region.bits, region.candidates, region.refused);
  }
  fmt::print("{}\n{}\n",
             result.cubin.empty() ? "not compiled: there is no nvcc here" : "compiled by nvcc",
             result.run);
  if (!result.torch_refusal.empty()) {
    fmt::print("without host code: {}\n", result.torch_refusal);
  }
}

}  // namespace

Json optimize_model_for_cuda(const Graph& model, const CudaOptions& options,
                             const std::string& folder) {
  const CudaResult result = optimize_for_cuda(model, options);
  const std::filesystem::path root = folder;
  make_folder(folder);
  save_model((root / "graph.lam").string(), result.graph);
  write_file_atomically((root / "kernels.cu").string(), result.source);
  if (!result.host_source.empty()) {
    write_file_atomically((root / "program.cu").string(), result.host_source);
  }
  if (!result.torch_source.empty()) {
    write_file_atomically((root / "torch_extension.cu").string(), result.torch_source);
  }
  if (!result.cubin.empty()) {
    write_file_atomically((root / "kernels.cubin").string(), result.cubin);
  }
  print(result);
  return describe(result);
}

}  // namespace lamina::cli
