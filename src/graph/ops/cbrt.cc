// cbrt: the real cube root, negative for negative x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Cbrt {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::abs;
    using num::like;
    using num::pow;
    using num::sign;
    return num::mul(sign(x[0]), pow(abs(x[0]), like(x[0], 1.0 / 3.0)));
  }
};

Expr derivative(const Expr&, const Expr& y, const Attrs&) { return (1.0 / 3.0) / (y * y); }

std::vector<Sample> samples() {
  std::vector<Sample> samples = positive_samples();
  samples.push_back({.inputs = {f32({37})}, .low = -8.0, .high = -0.5});
  return samples;
}

}  // namespace

OpDef cbrt() { return unary_float<Cbrt>("cbrt", chain<derivative>, samples); }

}  // namespace lamina::ops
