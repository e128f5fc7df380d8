// mod: the remainder of x / y with the sign of y (Python); integers by 0 give 0, floats NaN.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Mod {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::mod;
    return mod(x[0], x[1]);
  }
};

std::vector<Value> gradient(const GradientView& node) {
  const Expr g = grad_of(node);
  const Expr a = input_of(node, 0);
  const Expr b = input_of(node, 1);
  return {sum_to(node, g, 0), sum_to(node, -(g * call("floor", {a / b})), 1)};
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

OpDef mod() { return binary_number<Mod>("mod", gradient, samples); }

}  // namespace lamina::ops
