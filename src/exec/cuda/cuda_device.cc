// Programs on the GPUs of this machine.
#include "exec/cuda/cuda_device.h"

#include "base/check.h"
#include "exec/cpu/compile_cache.h"
#include "exec/cuda/cuda_program.h"
#include "exec/cuda/driver.h"
#include "exec/cuda/toolkit.h"

namespace lamina {
namespace {

class CudaDevice final : public Device {
 public:
  CudaDevice(int index, cuda::GpuMachine machine)
      : index_(index), name_(cuda_device_name(index)), machine_(std::move(machine)) {}

  std::string_view name() const override { return name_; }

  std::string description() const override {
    const auto nvcc = cuda::find_nvcc();
    return fmt::format("{}, {}, {} multiprocessors, {}", machine_.name, machine_.target(),
                       machine_.multiprocessors,
                       nvcc ? nvcc->path : "no nvcc: nothing can be compiled");
  }

  std::unique_ptr<Program> compile(const Graph& graph, const RunOptions& options) const override {
    const std::string folder =
        options.cache_dir.empty() ? cpu::default_cache_dir() : options.cache_dir;
    std::string why;
    auto gpu = cuda::open_gpu(folder, index_, &why);
    if (gpu == nullptr) fail(ErrorCode::kNotFound, "device {}: {}", name_, why);
    return std::make_unique<cuda::CudaProgram>(graph, std::move(gpu));
  }

 private:
  int index_;
  std::string name_;
  cuda::GpuMachine machine_;
};

}  // namespace

std::string cuda_device_name(int index) {
  return index == 0 ? "cuda" : fmt::format("cuda:{}", index);
}

std::span<const Device* const> cuda_devices() {
  static const std::vector<std::unique_ptr<const CudaDevice>> owned = [] {
    std::vector<std::unique_ptr<const CudaDevice>> found;
    for (int i = 0; i < cuda::gpu_count(); ++i) {
      const auto gpu = cuda::open_gpu("", i);
      if (gpu) found.push_back(std::make_unique<const CudaDevice>(i, gpu->machine()));
    }
    return found;
  }();
  static const std::vector<const Device*> list = [] {
    std::vector<const Device*> devices;
    for (const auto& device : owned) devices.push_back(device.get());
    return devices;
  }();
  return list;
}

std::string why_no_cuda() {
  std::string why;
  cuda::open_gpu("", 0, &why);
  return why;
}

}  // namespace lamina
