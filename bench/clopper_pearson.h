// Exact (Clopper-Pearson) intervals of a probability, from counts.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

namespace lamina::bench {

// The regularised incomplete beta function I_x(a, b), by its continued fraction (Lentz).
inline double incomplete_beta(double a, double b, double x) {
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  // The fraction converges fast below the mean.
  if (x > (a + 1.0) / (a + b + 2.0)) return 1.0 - incomplete_beta(b, a, 1.0 - x);
  constexpr double kTiny = 1e-300;
  const auto at_least_tiny = [](double v) { return std::fabs(v) < kTiny ? kTiny : v; };
  double c = 1.0;
  double d = 1.0 / at_least_tiny(1.0 - (a + b) * x / (a + 1.0));
  double fraction = d;
  for (int m = 1; m < 10000; ++m) {
    for (const double term : {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                              -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))}) {
      d = 1.0 / at_least_tiny(1.0 + term * d);
      c = at_least_tiny(1.0 + term / c);
      fraction *= c * d;
    }
    if (std::fabs(c * d - 1.0) < 1e-14) break;
  }
  const double front =
      std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x);
  return std::exp(front) * fraction / a;
}

// Where I_x(a, b) is `level`.
inline double beta_quantile(double level, double a, double b) {
  double low = 0.0, high = 1.0;
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (incomplete_beta(a, b, middle) < level ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// That contains the probability in at least `confidence` of all experiments in which `hits` of
// `trials` were seen.
inline std::pair<double, double> clopper_pearson(std::int64_t hits, std::int64_t trials,
                                                 double confidence) {
  const double tail = 0.5 * (1.0 - confidence);
  const auto k = static_cast<double>(hits);
  const auto n = static_cast<double>(trials);
  return {hits == 0 ? 0.0 : beta_quantile(tail, k, n - k + 1.0),
          hits == trials ? 1.0 : beta_quantile(1.0 - tail, k + 1.0, n - k)};
}

}  // namespace lamina::bench
