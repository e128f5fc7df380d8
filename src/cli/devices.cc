// lamina devices: where programs can run on this machine.
#include <fmt/core.h>

#include "base/thread_pool.h"
#include "cli/command.h"
#include "lamina/bench.h"
#include "lamina/device.h"

namespace lamina::cli {
namespace {

struct DevicesOptions {
  bool measure = false;
  int threads = 0;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("measure", self.measure, "measure what the processor can do at best");
    visit("threads", self.threads, "threads of the measurement; 0: one per core");
  }
};

void measure(int threads, Json& report) {
  const MachinePeaks peaks = measure_peaks(threads > 0 ? threads : usable_cores());
  fmt::print("peaks of the processor with {} threads: {:.1f} GB/s read, {:.1f} f32 GFLOP/s\n",
             peaks.threads, peaks.read_gb_s, peaks.f32_gflop_s);
  Json& row = report["peaks"];
  row["threads"] = peaks.threads;
  row["read_gb_s"] = peaks.read_gb_s;
  row["f32_gflop_s"] = peaks.f32_gflop_s;
}

int list_devices(const DevicesOptions& options, Json& report) {
  for (const Device* device : devices()) {
    fmt::print("{:8} {}\n", device->name(), device->description());
    Json row;
    row["name"] = device->name();
    row["description"] = device->description();
    report["devices"].push_back(std::move(row));
  }
  if (options.measure) measure(options.threads, report);
  return kYes;
}

}  // namespace

Command devices_command() {
  return command<DevicesOptions>("devices", "list the devices of this machine", list_devices);
}

}  // namespace lamina::cli
