// Weights repacked into the layout that a kernel wants, shared by all programs of a device.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/thread_pool.h"
#include "exec/cpu/kernel.h"
#include "lamina/tensor.h"

namespace lamina::cpu {

std::size_t packed_bytes(const PackRequest& request);

// The layout of PackRequest, in fresh memory. `weight` has the shape of the operand.
std::shared_ptr<Buffer> pack_weight(const Tensor& weight, const PackRequest& request,
                                    ThreadPool& pool);

// The same into a buffer of that size, whose padding is zero already.
void pack_weight_into(Buffer& to, const Tensor& weight, const PackRequest& request,
                      ThreadPool& pool);

// Packed weights by content (elements, types, layout), for as long as some program holds them. By
// content rather than by address: a caller may change its tensors between two compilations.
class PackedWeights {
 public:
  std::shared_ptr<Buffer> get(const Tensor& weight, const PackRequest& request, ThreadPool& pool);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Buffer>> known_;
};

}  // namespace lamina::cpu
