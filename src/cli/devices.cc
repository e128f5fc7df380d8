// lamina devices: where programs can run on this machine.
#include <fmt/core.h>

#include <type_traits>

#include "base/check.h"
#include "base/files.h"
#include "cli/command.h"
#include "lamina/device.h"
#include "lamina/machine.h"

namespace lamina::cli {
namespace {

struct DevicesOptions {
  bool measure = false;
  int threads = 0;
  std::string output;
  std::string cache_dir;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("measure", self.measure, "measure what the processor can do");
    visit("threads", self.threads, "cores that are measured together; 0: all");
    visit("output", self.output,
          "file for the measured description, as --machine of optimize reads");
    visit("cache_dir", self.cache_dir, "folder of compiled kernels");
  }
};

void measure(const DevicesOptions& options, Json& report) {
  RunOptions run;
  run.threads = options.threads;
  run.cache_dir = options.cache_dir;
  const CpuMachine machine = measure_cpu_machine(run);
  CpuMachine::fields(machine, [&](std::string_view key, const auto& field) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, double>) {
      fmt::print("  {:26} {:.3g}\n", key, field);
    } else {
      fmt::print("  {:26} {}\n", key, field);
    }
  });
  report["machine"] = Json::parse(to_json(machine));
  if (!options.output.empty()) write_file_atomically(options.output, to_json(machine));
}

int list_devices(const DevicesOptions& options, Json& report) {
  require(options.output.empty() || options.measure, "--output needs --measure");
  require(options.threads >= 0 && options.threads <= 1024, "--threads: expected 0 to 1024, got {}",
          options.threads);
  for (const Device* device : devices()) {
    fmt::print("{:8} {}\n", device->name(), device->description());
    Json row;
    row["name"] = device->name();
    row["description"] = device->description();
    report["devices"].push_back(std::move(row));
  }
  if (options.measure) measure(options, report);
  return kYes;
}

}  // namespace

Command devices_command() {
  return command<DevicesOptions>("devices", "list the devices of this machine", list_devices);
}

}  // namespace lamina::cli
