// A GPU that is an emulation on the CPU: for tests of whole programs.
#pragma once

#include <cstring>
#include <map>

#include "exec/cuda/cuda_program.h"
#include "exec/cuda/node_emulation_test.h"

namespace lamina::cuda {

class EmulatedGpu final : public Gpu {
 public:
  explicit EmulatedGpu(GpuMachine machine, unsigned seed = 1)
      : machine_(std::move(machine)), seed_(seed) {}

  const GpuMachine& machine() const override { return machine_; }
  GpuAddress allocate(std::int64_t bytes) override {
    // Whoever reads what nobody wrote shall see it.
    Tensor memory(DType::kU8, {std::max<std::int64_t>(bytes, 1)});
    std::memset(memory.data(), 0xff, memory.bytes());
    const auto address = reinterpret_cast<GpuAddress>(memory.data());
    memory_.emplace(address, std::move(memory));
    return address;
  }
  void release(GpuAddress address) override { memory_.erase(address); }
  void copy_in(GpuAddress to, const std::byte* from, std::int64_t bytes) override {
    std::memcpy(pointer(to), from, static_cast<std::size_t>(bytes));
  }
  void copy_out(std::byte* to, GpuAddress from, std::int64_t bytes) override {
    std::memcpy(to, pointer(from), static_cast<std::size_t>(bytes));
  }
  void copy_within(GpuAddress to, GpuAddress from, std::int64_t bytes) override {
    std::memmove(pointer(to), pointer(from), static_cast<std::size_t>(bytes));
  }
  std::vector<std::uint64_t> load(const std::vector<Kernel>& kernels) override {
    emulator_ = std::make_unique<Emulator>(kernels);
    std::vector<std::uint64_t> functions(kernels.size());
    for (std::size_t i = 0; i < kernels.size(); ++i) functions[i] = i;
    return functions;
  }
  void launch(std::uint64_t function, const Kernel&, std::int64_t blocks,
              void** arguments) override {
    REQUIRE(emulator_->launch(function, arguments, blocks, seed_));
  }
  void wait() override {}

 private:
  static void* pointer(GpuAddress address) { return reinterpret_cast<void*>(address); }

  GpuMachine machine_;
  unsigned seed_;
  std::map<GpuAddress, Tensor> memory_;
  std::unique_ptr<Emulator> emulator_;
};

}  // namespace lamina::cuda
