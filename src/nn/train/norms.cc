// Norms of gradients, summed in a fixed order.
#include <array>
#include <cmath>

#include "base/check.h"
#include "lamina/train.h"

namespace lamina::train {
namespace {

constexpr std::size_t kSums = 16;  // sums in flight; element i goes to sum i % kSums

double squared_norm_f32(std::span<const float> values) {
  std::array<double, kSums> sums{};
  const std::size_t whole = values.size() / kSums * kSums;
  for (std::size_t i = 0; i < whole; i += kSums) {
    for (std::size_t k = 0; k < kSums; ++k) {
      const double x = values[i + k];
      sums[k] += x * x;
    }
  }
  for (std::size_t i = whole; i < values.size(); ++i) {
    const double x = values[i];
    sums[i % kSums] += x * x;
  }
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

double squared_norm(const Tensor& gradient) {
  const Tensor f32 =
      gradient.dtype() == DType::kF32 ? gradient.dense() : gradient.cast(DType::kF32);
  return squared_norm_f32(f32.span<float>());
}

double squared_norm(const NamedTensors& gradients) {
  double total = 0.0;
  for (const auto& [name, gradient] : gradients) total += squared_norm(gradient);
  return total;
}

double clip_factor(double squared_norm, double max_norm) {
  require(max_norm >= 0.0, "clip_norm {}: expected at least 0", max_norm);
  const double norm = std::sqrt(squared_norm);
  return max_norm == 0.0 || norm <= max_norm ? 1.0 : max_norm / norm;
}

}  // namespace lamina::train
