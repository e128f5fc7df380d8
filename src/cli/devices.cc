// lamina devices: where programs can run on this machine.
#include <fmt/core.h>

#include "cli/command.h"
#include "lamina/device.h"

namespace lamina::cli {
namespace {

struct DevicesOptions {
  template <class Self, class Visit>
  static void fields(Self& /*self*/, Visit&& /*visit*/) {}
};

int list_devices(const DevicesOptions& /*options*/, Json& report) {
  for (const Device* device : devices()) {
    fmt::print("{:8} {}\n", device->name(), device->description());
    Json row;
    row["name"] = device->name();
    row["description"] = device->description();
    report["devices"].push_back(std::move(row));
  }
  return kYes;
}

}  // namespace

Command devices_command() {
  return command<DevicesOptions>("devices", "list the devices of this machine", list_devices);
}

}  // namespace lamina::cli
