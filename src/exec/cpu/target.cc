// Asks the processor (cpuid through compiler builtins) and the kernel (sysconf, /proc/cpuinfo).
#include "exec/cpu/target.h"

#include <unistd.h>

#include <array>
#include <fstream>

namespace lamina::cpu {
namespace {

// The value of the first line of /proc/cpuinfo that begins with `key`, or "".
std::string cpuinfo(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || colon + 2 > line.size()) return "";
    return line.substr(colon + 2);
  }
  return "";
}

void detect_features(Target& target) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  target.vector_bytes = 16;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) target.vector_bytes = 32;
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (target.vector_bytes == 32 && wide) target.vector_bytes = 64;
  target.has_bf16_dot = wide && __builtin_cpu_supports("avx512bf16");
  target.has_int8_dot = wide && __builtin_cpu_supports("avx512vnni");
#else
  target.vector_bytes = 16;
#endif
}

}  // namespace

Target detect_target() {
  Target target;
  detect_features(target);
  const long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  const long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (l1 > 0) target.l1_bytes = l1;
  if (l2 > 0) target.l2_bytes = l2;
  return target;
}

std::int64_t shared_cache_bytes() {
  // The C library adds up the caches of cores that a virtual machine does not have.
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");
  std::int64_t kibibytes = 0;
  char unit = ' ';
  return file >> kibibytes >> unit && unit == 'K' ? kibibytes << 10 : 0;
}

std::string processor_name() {
  const std::string name = cpuinfo("model name");
  return name.empty() ? "processor " + cpuinfo("CPU part") : name;
}

std::string processor_identity() {
  static constexpr std::array<std::string_view, 8> kKeys = {
      "vendor_id", "cpu family", "model\t",         "model name",
      "flags",     "Features",   "CPU implementer", "CPU part"};
  std::string identity;
  for (const std::string_view key : kKeys) identity += cpuinfo(key) + "\n";
  return identity;
}

std::string instruction_set(const Target& target) {
#if defined(__x86_64__)
  return target.vector_bytes == 64 ? "AVX-512" : target.vector_bytes == 32 ? "AVX2" : "SSE2";
#else
  return target.vector_bytes == 16 ? "NEON" : "vectors";
#endif
}

}  // namespace lamina::cpu
