// What a program needs of a GPU. Two are there: the driver's (driver.cc), and the emulation that
// the tests run on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "exec/cuda/kernel.h"

namespace lamina::cuda {

using GpuAddress = std::uint64_t;

class Gpu {
 public:
  virtual ~Gpu() = default;
  virtual const GpuMachine& machine() const = 0;
  virtual GpuAddress allocate(std::int64_t bytes) = 0;  // aligned to 256 bytes
  virtual void release(GpuAddress address) = 0;
  virtual void copy_in(GpuAddress to, const std::byte* from, std::int64_t bytes) = 0;
  virtual void copy_out(std::byte* to, GpuAddress from, std::int64_t bytes) = 0;
  virtual void copy_within(GpuAddress to, GpuAddress from, std::int64_t bytes) = 0;
  // Compiles and loads kernels, whose names differ; returns what launch() calls them.
  virtual std::vector<std::uint64_t> load(const std::vector<Kernel>& kernels) = 0;
  // Queues a kernel; arguments as of cuLaunchKernel.
  virtual void launch(std::uint64_t function, const Kernel& kernel, std::int64_t blocks,
                      void** arguments) = 0;
  virtual void wait() = 0;
};

// Memory of a GPU, released with its owner.
class GpuBuffer {
 public:
  GpuBuffer() = default;
  GpuBuffer(Gpu& gpu, std::int64_t bytes)
      : gpu_(&gpu), address_(gpu.allocate(bytes)), bytes_(bytes) {}
  GpuBuffer(GpuBuffer&& other) noexcept { swap(other); }
  GpuBuffer& operator=(GpuBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~GpuBuffer() {
    if (gpu_ != nullptr) gpu_->release(address_);
  }
  GpuAddress address() const { return address_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  void swap(GpuBuffer& other) {
    std::swap(gpu_, other.gpu_);
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
  }
  Gpu* gpu_ = nullptr;
  GpuAddress address_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace lamina::cuda
