// The list of devices.
#include <vector>

#include "base/check.h"
#include "exec/cpu/cpu_device.h"
#include "exec/cuda/cuda_device.h"
#include "exec/ref/ref_device.h"
#include "lamina/device.h"

namespace lamina {

std::span<const Device* const> devices() {
  static const std::vector<const Device*> list = [] {
    std::vector<const Device*> found = {&ref_device(), &cpu_device()};
    found.insert(found.end(), cuda_devices().begin(), cuda_devices().end());
    return found;
  }();
  return list;
}

const Device& find_device(std::string_view name) {
  // Opening a GPU takes a moment: only who asks for one waits for it.
  for (const Device* device : {&ref_device(), &cpu_device()}) {
    if (device->name() == name) return *device;
  }
  std::string known;
  for (const Device* device : devices()) {
    if (device->name() == name) return *device;
    known += known.empty() ? "" : ", ";
    known += device->name();
  }
  const std::string why = name == "cuda" ? " (" + why_no_cuda() + ")" : "";
  fail(ErrorCode::kNotFound, "no device '{}'{}; this machine has: {}", name, why, known);
}

std::unique_ptr<Program> compile(const Graph& graph, const Device& device,
                                 const RunOptions& options) {
  return device.compile(graph, options);
}

}  // namespace lamina
