// What a kernel may use on a GPU: read from a small JSON file, share/machines/*.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lamina::cuda {

struct GpuMachine {
  std::string name;  // "H100 SXM"
  int sm = 0;        // 80, 90, ...: the compute capability without its dot
  int multiprocessors = 0;
  int threads_per_block = 0;                // at most
  int registers_per_thread = 0;             // at most
  std::int64_t registers_per_block = 0;     // at most
  std::int64_t shared_bytes_per_block = 0;  // at most, with the opt-in of dynamic shared memory
  std::int64_t device_bytes = 0;
  double bytes_per_second = 0.0;        // of device memory
  double cache_bytes_per_second = 0.0;  // of the second-level cache
  double launch_seconds = 0.0;          // of a kernel, on top of its work
  double flops_f32 = 0.0;               // per second, fused multiply-adds counted twice
  double special_per_second = 0.0;      // exponentials, reciprocals and roots of all units
  double flops_16bit = 0.0;             // of dense tensor-core products with fp32 sums

  std::string target() const { return "sm_" + std::to_string(sm); }
};

// Throws kInvalidArgument that names what is missing or out of range. `source` is used in messages.
GpuMachine parse_gpu_machine(std::string_view json, std::string_view source);
GpuMachine load_gpu_machine(const std::string& path);
// The description that ships for "sm_80" or "sm_90", in the folder machines of $LAMINA_SHARE or of
// the source tree that this was built from. Throws kNotFound.
GpuMachine shipped_gpu_machine(std::string_view target);

}  // namespace lamina::cuda
