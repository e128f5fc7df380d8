// Reals as doubles: the domain of the reference device and of constant folding.
#pragma once

#include <cmath>
#include <optional>
#include <span>

#include "graph/interpret.h"
#include "num/half.h"
#include "tensor/packed.h"

namespace lamina {

struct RealDomain {
  using Number = double;

  double constant(double value) const { return value; }
  double integer(std::int64_t value) const { return static_cast<double>(value); }
  std::optional<std::int64_t> to_whole(double value) const { return truncate_to_int64(value); }
  // NaN is the largest.
  bool before(double a, double b) const { return a < b || (std::isnan(b) && !std::isnan(a)); }
  static auto scalar(const ScalarMeaning& meaning) { return meaning.real; }

  double round_to(double value, DType dtype) const {
    switch (dtype) {
      case DType::kF32:
        return static_cast<float>(value);
      case DType::kBF16:
        return static_cast<double>(bf16(value));
      case DType::kF16:
        return static_cast<double>(f16(value));
      default:
        return value;
    }
  }

  void dots(const Strided<double>& a, const Strided<double>& b, std::int64_t n,
            std::span<double> totals) const {
    for (std::int64_t k = 0; k < n; ++k) {
      const double* x = a.at + k * a.step;
      const double* y = b.at + k * b.step;
      for (double& total : totals) {
        total += *x * *y;
        x += a.next;
        y += b.next;
      }
    }
  }
};

// A tensor as the interpreter holds it, and back (rounded to `dtype`).
Array<double> to_array(const Tensor& tensor);
Tensor to_tensor(const Array<double>& array, DType dtype);

}  // namespace lamina
