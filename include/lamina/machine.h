// What a processor can do: the limits and rates that the search prices programs with. Read from a
// small JSON file (docs/formats.md) or measured here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lamina/device.h"

namespace lamina {

// Rates are of one core unless they say otherwise.
struct CpuMachine {
  std::string name;                  // of the processor
  int cores = 0;                     // that one program may use
  int vector_bytes = 0;              // of a vector register
  int vector_registers = 0;          // that code can name
  std::int64_t l1_bytes = 0;         // of data, per core
  std::int64_t l2_bytes = 0;         // per core
  std::int64_t l3_bytes = 0;         // shared by the cores; 0: none
  double flops_f32 = 0.0;            // per second, fused multiply-adds count two
  double elements_per_second = 0.0;  // of an f32 sum of two arrays in the nearest cache
  double exp_per_second = 0.0;       // f32 elements, by generated code
  double div_per_second = 0.0;
  double sqrt_per_second = 0.0;
  double bytes_per_second = 0.0;            // streamed from memory by one core alone
  double all_cores_bytes_per_second = 0.0;  // by all cores together
  double l2_bytes_per_second = 0.0;
  double l3_bytes_per_second = 0.0;  // 0 where there is none
  double launch_seconds = 0.0;       // to start a loop on all cores and to wait for its end
  double task_seconds = 0.0;         // of a block that hardly does anything

  bool operator==(const CpuMachine&) const = default;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("name", self.name);
    visit("cores", self.cores);
    visit("vector_bytes", self.vector_bytes);
    visit("vector_registers", self.vector_registers);
    visit("l1_bytes", self.l1_bytes);
    visit("l2_bytes", self.l2_bytes);
    visit("l3_bytes", self.l3_bytes);
    visit("flops_f32", self.flops_f32);
    visit("elements_per_second", self.elements_per_second);
    visit("exp_per_second", self.exp_per_second);
    visit("div_per_second", self.div_per_second);
    visit("sqrt_per_second", self.sqrt_per_second);
    visit("bytes_per_second", self.bytes_per_second);
    visit("all_cores_bytes_per_second", self.all_cores_bytes_per_second);
    visit("l2_bytes_per_second", self.l2_bytes_per_second);
    visit("l3_bytes_per_second", self.l3_bytes_per_second);
    visit("launch_seconds", self.launch_seconds);
    visit("task_seconds", self.task_seconds);
  }
};

std::string to_json(const CpuMachine& machine);
// Throws kInvalidArgument that names the key, what was expected and what came. `source` is used in
// messages.
CpuMachine parse_cpu_machine(std::string_view json, std::string_view source);
CpuMachine load_cpu_machine(const std::string& path);

// Measures this processor with `options.threads` cores in about two seconds, of which compiling is
// the most. Best of many short tries, so that work of others matters little.
CpuMachine measure_cpu_machine(const RunOptions& options = {});

// The description of this processor in the cache folder, measured and put there when absent or
// damaged, so that later searches use the same figures.
struct RememberedMachine {
  CpuMachine machine;
  std::string warning;  // "", or what was wrong with the file
};
RememberedMachine remembered_cpu_machine(const RunOptions& options = {});

}  // namespace lamina
