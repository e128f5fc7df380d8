// The driver API by dlopen. Types and numbers are those of cuda.h, which is not included.
#include "exec/cuda/driver.h"

#include <dlfcn.h>

#include <array>

#include "base/check.h"
#include "exec/cuda/toolkit.h"

namespace lamina::cuda {
namespace {

using Result = int;
using Device = int;
using Handle = void*;  // contexts, modules, functions, streams

// CUdevice_attribute and CUfunction_attribute.
enum Attribute : int {
  kThreadsPerBlock = 1,
  kRegistersPerBlock = 12,
  kMultiprocessors = 16,
  kMemoryClockKhz = 36,
  kBusBits = 37,
  kMajor = 75,
  kMinor = 76,
  kSharedOptIn = 97,
};
constexpr int kDynamicSharedBytes = 8;
constexpr int kRegistersPerThread = 255;  // of all sm_80 and newer; the driver does not tell

// The functions of libcuda.so.1 that are used.
struct Library {
  void* handle = nullptr;
  Result (*init)(unsigned) = nullptr;
  Result (*count)(int*) = nullptr;
  Result (*device)(Device*, int) = nullptr;
  Result (*name)(char*, int, Device) = nullptr;
  Result (*memory)(std::size_t*, Device) = nullptr;
  Result (*attribute)(int*, int, Device) = nullptr;
  Result (*retain)(Handle*, Device) = nullptr;
  Result (*use)(Handle) = nullptr;
  Result (*allocate)(GpuAddress*, std::size_t) = nullptr;
  Result (*release)(GpuAddress) = nullptr;
  Result (*copy_in)(GpuAddress, const void*, std::size_t) = nullptr;
  Result (*copy_out)(void*, GpuAddress, std::size_t) = nullptr;
  Result (*copy_within)(GpuAddress, GpuAddress, std::size_t) = nullptr;
  Result (*load)(Handle*, const void*) = nullptr;
  Result (*unload)(Handle) = nullptr;
  Result (*function)(Handle*, Handle, const char*) = nullptr;
  Result (*set_function)(Handle, int, int) = nullptr;
  Result (*launch)(Handle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                   Handle, void**, void**) = nullptr;
  Result (*synchronize)() = nullptr;
  Result (*error_text)(Result, const char**) = nullptr;

  // False when the library or one of the functions is not there.
  bool open() {
    handle = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return false;
    const auto find = [&](auto& target, const char* symbol) {
      target = reinterpret_cast<std::decay_t<decltype(target)>>(dlsym(handle, symbol));
      return target != nullptr;
    };
    return find(init, "cuInit") && find(count, "cuDeviceGetCount") && find(device, "cuDeviceGet") &&
           find(name, "cuDeviceGetName") && find(memory, "cuDeviceTotalMem_v2") &&
           find(attribute, "cuDeviceGetAttribute") && find(retain, "cuDevicePrimaryCtxRetain") &&
           find(use, "cuCtxSetCurrent") && find(allocate, "cuMemAlloc_v2") &&
           find(release, "cuMemFree_v2") && find(copy_in, "cuMemcpyHtoD_v2") &&
           find(copy_out, "cuMemcpyDtoH_v2") && find(copy_within, "cuMemcpyDtoD_v2") &&
           find(load, "cuModuleLoadData") && find(unload, "cuModuleUnload") &&
           find(function, "cuModuleGetFunction") && find(set_function, "cuFuncSetAttribute") &&
           find(launch, "cuLaunchKernel") && find(synchronize, "cuCtxSynchronize") &&
           find(error_text, "cuGetErrorString");
  }
};

class DriverGpu final : public Gpu {
 public:
  DriverGpu(Library library, std::string cache_dir, int index)
      : library_(library), cache_dir_(std::move(cache_dir)) {
    call(library_.device(&device_, index), "cuDeviceGet");
    describe();
  }
  DriverGpu(const DriverGpu&) = delete;
  DriverGpu& operator=(const DriverGpu&) = delete;
  ~DriverGpu() override {
    for (Handle module : modules_) library_.unload(module);
  }

  const GpuMachine& machine() const override { return machine_; }

  GpuAddress allocate(std::int64_t bytes) override {
    enter();
    GpuAddress address = 0;
    call(library_.allocate(&address, static_cast<std::size_t>(bytes > 0 ? bytes : 1)),
         "cuMemAlloc");
    return address;
  }
  void release(GpuAddress address) override { library_.release(address); }
  void copy_in(GpuAddress to, const std::byte* from, std::int64_t bytes) override {
    enter();
    call(library_.copy_in(to, from, static_cast<std::size_t>(bytes)), "cuMemcpyHtoD");
  }
  void copy_out(std::byte* to, GpuAddress from, std::int64_t bytes) override {
    enter();
    call(library_.copy_out(to, from, static_cast<std::size_t>(bytes)), "cuMemcpyDtoH");
  }
  void copy_within(GpuAddress to, GpuAddress from, std::int64_t bytes) override {
    enter();
    call(library_.copy_within(to, from, static_cast<std::size_t>(bytes)), "cuMemcpyDtoD");
  }

  std::vector<std::uint64_t> load(const std::vector<Kernel>& kernels) override {
    if (kernels.empty()) return {};
    enter();
    const auto nvcc = find_nvcc();
    if (!nvcc) {
      fail(ErrorCode::kNotFound,
           "no nvcc in PATH or /usr/local/cuda/bin: programs for the GPU cannot be compiled");
    }
    const std::string cubin =
        compile_cubin(*nvcc, translation_unit(kernels), machine_.sm, cache_dir_);
    Handle module = nullptr;
    call(library_.load(&module, cubin.data()), "cuModuleLoadData");
    modules_.push_back(module);
    std::vector<std::uint64_t> functions;
    for (const Kernel& kernel : kernels) {
      Handle function = nullptr;
      call(library_.function(&function, module, kernel.name.c_str()), "cuModuleGetFunction");
      call(library_.set_function(function, kDynamicSharedBytes,
                                 static_cast<int>(kernel.shared_bytes)),
           "cuFuncSetAttribute");
      functions.push_back(reinterpret_cast<std::uint64_t>(function));
    }
    return functions;
  }

  void launch(std::uint64_t function, const Kernel& kernel, std::int64_t blocks,
              void** arguments) override {
    enter();
    call(library_.launch(reinterpret_cast<Handle>(function), static_cast<unsigned>(blocks), 1, 1,
                         static_cast<unsigned>(kernel.threads), 1, 1,
                         static_cast<unsigned>(kernel.shared_bytes), nullptr, arguments, nullptr),
         "cuLaunchKernel");
  }

  void wait() override {
    enter();
    call(library_.synchronize(), "cuCtxSynchronize");
  }

 private:
  void call(Result result, const char* what) const {
    if (result == 0) return;
    const char* text = nullptr;
    library_.error_text(result, &text);
    fail(ErrorCode::kInternal, "{}: {}", what, text != nullptr ? text : "unknown error");
  }
  // Contexts belong to threads; a program may be run by any. Who only asks what the GPU is makes
  // none: they take memory there.
  void enter() {
    if (context_ == nullptr) {
      call(library_.retain(&context_, device_), "cuDevicePrimaryCtxRetain");
    }
    call(library_.use(context_), "cuCtxSetCurrent");
  }

  int attribute(Attribute which) const {
    int value = 0;
    call(library_.attribute(&value, which, device_), "cuDeviceGetAttribute");
    return value;
  }

  void describe() {
    std::array<char, 256> name{};
    call(library_.name(name.data(), static_cast<int>(name.size()), device_), "cuDeviceGetName");
    std::size_t bytes = 0;
    call(library_.memory(&bytes, device_), "cuDeviceTotalMem");
    machine_.name = name.data();
    machine_.device_bytes = static_cast<std::int64_t>(bytes);
    machine_.sm = 10 * attribute(kMajor) + attribute(kMinor);
    machine_.multiprocessors = attribute(kMultiprocessors);
    machine_.threads_per_block = attribute(kThreadsPerBlock);
    machine_.registers_per_block = attribute(kRegistersPerBlock);
    machine_.registers_per_thread = kRegistersPerThread;
    machine_.shared_bytes_per_block = attribute(kSharedOptIn);
    // Two transfers a clock.
    machine_.bytes_per_second = 2e3 * attribute(kMemoryClockKhz) * attribute(kBusBits) / 8.0;
  }

  Library library_;
  std::string cache_dir_;
  Device device_ = 0;
  Handle context_ = nullptr;
  GpuMachine machine_;
  std::vector<Handle> modules_;
};

}  // namespace

int gpu_count() {
  Library library;
  int count = 0;
  const bool known = library.open() && library.init(0) == 0 && library.count(&count) == 0;
  return known ? count : 0;
}

std::shared_ptr<Gpu> open_gpu(const std::string& cache_dir, int index, std::string* why) {
  const auto refuse = [&](std::string reason) -> std::shared_ptr<Gpu> {
    if (why != nullptr) *why = std::move(reason);
    return nullptr;
  };
  Library library;
  if (!library.open()) return refuse("the NVIDIA driver (libcuda.so.1) is not installed");
  int count = 0;
  if (library.init(0) != 0 || library.count(&count) != 0 || count == 0) {
    return refuse("the driver finds no GPU");
  }
  if (index >= count) return refuse(fmt::format("the driver finds no more than {} GPUs", count));
  auto gpu = std::make_shared<DriverGpu>(library, cache_dir, index);
  if (gpu->machine().sm < 80) return refuse("the GPU is older than sm_80");
  return gpu;
}

}  // namespace lamina::cuda
