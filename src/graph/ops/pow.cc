// pow: x to the power y, broadcast; integers wrap, and a negative power truncates.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Pow {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::pow;
    return pow(x[0], x[1]);
  }
};

std::vector<Value> gradient(const GradientView& node) {
  const Expr g = grad_of(node);
  const Expr a = input_of(node, 0);
  const Expr b = input_of(node, 1);
  return {sum_to(node, g * b * call("pow", {a, b - 1.0}), 0),
          sum_to(node, g * output_of(node) * call("log", {a}), 1)};
}

std::vector<Sample> samples() {
  std::vector<Sample> samples = binary_samples();
  for (Sample& sample : samples) {
    sample.low = 0.5;
    sample.integer_ranges = {{-4, 4}, {0, 5}};
  }
  return samples;
}

}  // namespace

OpDef pow() { return binary_number<Pow>("pow", gradient, samples); }

}  // namespace lamina::ops
