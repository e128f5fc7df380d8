// fmod: the remainder of x / y with the sign of x (C); integers by 0 give 0, floats NaN.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Fmod {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::fmod;
    return fmod(x[0], x[1]);
  }
};

std::vector<Value> gradient(const GradientView& node) {
  const Expr g = grad_of(node);
  const Expr a = input_of(node, 0);
  const Expr b = input_of(node, 1);
  return {sum_to(node, g, 0), sum_to(node, -(g * call("trunc", {a / b})), 1)};
}

std::vector<Sample> samples() {
  std::vector<Sample> samples = binary_samples();
  for (Sample& sample : samples) {
    sample.low = 0.5;
    sample.integer_ranges = {{-20, 20}, {-4, 4}};
  }
  return samples;
}

}  // namespace

OpDef fmod() { return binary_number<Fmod>("fmod", gradient, samples); }

}  // namespace lamina::ops
