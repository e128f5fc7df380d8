// Programs on the first GPU of this machine.
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
  explicit CudaDevice(cuda::GpuMachine machine) : machine_(std::move(machine)) {}

  std::string_view name() const override { return "cuda"; }

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
    auto gpu = cuda::open_gpu(folder, &why);
    if (gpu == nullptr) fail(ErrorCode::kNotFound, "device cuda: {}", why);
    return std::make_unique<cuda::CudaProgram>(graph, std::move(gpu));
  }

 private:
  cuda::GpuMachine machine_;
};

}  // namespace

const Device* cuda_device() {
  static const std::unique_ptr<const CudaDevice> device = [] {
    const auto gpu = cuda::open_gpu("");
    return gpu ? std::make_unique<const CudaDevice>(gpu->machine()) : nullptr;
  }();
  return device.get();
}

std::string why_no_cuda() {
  std::string why;
  cuda::open_gpu("", &why);
  return why;
}

}  // namespace lamina
