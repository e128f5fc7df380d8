// cbrt: the real cube root, negative for negative x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"
#include "num/formal_cbrt.h"

namespace lamina::ops {
namespace {

// By the power of the magnitude where there is no cube root.
template <class T>
T real_cbrt(const T& x) {
  using num::abs;
  using num::like;
  using num::pow;
  using num::sign;
  return num::mul(sign(x), pow(abs(x), like(x, 1.0 / 3.0)));
}
Formal real_cbrt(const Formal& x) { return lamina::cbrt(x); }

struct Cbrt {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    return real_cbrt(x[0]);
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
