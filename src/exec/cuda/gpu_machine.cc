// Reads machine descriptions.
#include "exec/cuda/gpu_machine.h"

#include <array>
#include <cstdlib>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"

namespace lamina::cuda {

GpuMachine parse_gpu_machine(std::string_view text, std::string_view source) {
  const Json json = Json::parse(text);
  const auto integer = [&](std::string_view key) {
    const std::int64_t n = json.at(key).integer();
    require(n > 0, "{}: {} must be positive, got {}", source, key, n);
    return n;
  };
  const auto real = [&](std::string_view key) {
    const double x = json.at(key).real();
    require(x > 0, "{}: {} must be positive, got {}", source, key, x);
    return x;
  };
  const std::int64_t version = integer("version");
  if (version != 1) fail(ErrorCode::kUnsupported, "{}: version {}, known is 1", source, version);
  GpuMachine machine;
  machine.name = json.at("name").text();
  machine.sm = static_cast<int>(integer("sm"));
  require(machine.sm >= 80, "{}: sm_{}; kernels need sm_80 or newer", source, machine.sm);
  machine.multiprocessors = static_cast<int>(integer("multiprocessors"));
  machine.threads_per_block = static_cast<int>(integer("threads_per_block"));
  machine.registers_per_thread = static_cast<int>(integer("registers_per_thread"));
  machine.registers_per_block = integer("registers_per_block");
  machine.shared_bytes_per_block = integer("shared_bytes_per_block");
  machine.device_bytes = integer("device_bytes");
  machine.bytes_per_second = real("bytes_per_second");
  machine.cache_bytes_per_second = real("cache_bytes_per_second");
  machine.launch_seconds = real("launch_seconds");
  machine.flops_f32 = real("flops_f32");
  machine.special_per_second = real("special_per_second");
  machine.flops_16bit = real("flops_16bit");
  return machine;
}

GpuMachine load_gpu_machine(const std::string& path) {
  return parse_gpu_machine(read_file(path), path);
}

GpuMachine shipped_gpu_machine(std::string_view target) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kShipped = {
      {{"sm_80", "a100"}, {"sm_90", "h100"}}};
  const char* share = std::getenv("LAMINA_SHARE");
  const std::string folder = share != nullptr ? share : LAMINA_SHARE_DIR;
  for (const auto& [name, file] : kShipped) {
    if (name == target) return load_gpu_machine(fmt::format("{}/machines/{}.json", folder, file));
  }
  fail(ErrorCode::kNotFound,
       "no machine description ships for '{}' (there are sm_80 and sm_90); give one with --machine",
       target);
}

}  // namespace lamina::cuda
