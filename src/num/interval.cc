// Interval arithmetic with outward rounding.
#include "num/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "num/algebra.h"

namespace lamina {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const Interval kLine{-kInfinity, kInfinity};

// One unit outward covers a correctly rounded operation; library functions get four.
Interval outward(double low, double high, int units = 1) {
  if (std::isnan(low) || std::isnan(high)) return kLine;
  for (int i = 0; i < units; ++i) {
    low = std::nextafter(low, -kInfinity);
    high = std::nextafter(high, kInfinity);
  }
  return {low, high};
}

constexpr int kLibraryUnits = 4;

template <class F>
Interval increasing(const Interval& x, F f) {
  return outward(f(x.low), f(x.high), kLibraryUnits);
}

template <class F>
Interval exact_increasing(const Interval& x, F f) {
  return {f(x.low), f(x.high)};
}

Interval hull(std::initializer_list<double> values) {
  double low = kInfinity;
  double high = -kInfinity;
  for (const double v : values) {
    if (std::isnan(v)) return kLine;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  return outward(low, high);
}

// The extremes of sin over [low, high] shifted so that cos is sin(x + pi/2).
Interval wave(const Interval& x, double (*f)(double), double first_peak) {
  constexpr double kPi = 3.141592653589793;
  if (!(x.high - x.low < 2 * kPi) || std::fabs(x.low) > 1e9) return {-1.0, 1.0};
  Interval out =
      outward(std::min(f(x.low), f(x.high)), std::max(f(x.low), f(x.high)), kLibraryUnits);
  const auto holds = [&](double at) {
    const double k = std::ceil((x.low - at) / (2 * kPi) - 1e-9);
    return at + k * 2 * kPi <= x.high + 1e-9;
  };
  if (holds(first_peak)) out.high = 1.0;
  if (holds(first_peak + kPi)) out.low = -1.0;
  return {std::max(-1.0, out.low), std::min(1.0, out.high)};
}

// Whether a + b was not rounded (the error term of Knuth's two-sum), so that small integers stay
// points. False for infinities and NaN.
bool sum_is_exact(double a, double b, double sum) {
  const double part = sum - a;
  return (a - (sum - part)) + (b - part) == 0.0;
}

Interval truth(bool certainly, bool possibly) {
  return {certainly ? 1.0 : 0.0, possibly ? 1.0 : 0.0};
}

}  // namespace

Interval operator+(const Interval& a, const Interval& b) {
  const double low = a.low + b.low;
  const double high = a.high + b.high;
  if (sum_is_exact(a.low, b.low, low) && sum_is_exact(a.high, b.high, high)) return {low, high};
  return outward(low, high);
}
Interval operator-(const Interval& a, const Interval& b) { return a + (-b); }
Interval operator*(const Interval& a, const Interval& b) {
  const double product = a.low * b.low;
  const bool points = a.low == a.high && b.low == b.high;
  if (points && product == 0.0 && (a.low == 0.0 || b.low == 0.0)) return {0.0, 0.0};
  if (points && std::fabs(product) > 0x1p-900 && std::fma(a.low, b.low, -product) == 0.0) {
    return {product, product};
  }
  return hull({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
}
Interval operator/(const Interval& a, const Interval& b) {
  if (b.contains(0.0)) return kLine;
  const double quotient = a.low / b.low;
  const bool points = a.low == a.high && b.low == b.high && std::isfinite(b.low);
  // Quotients that are not rounded stay points.
  const bool normal = std::fabs(a.low) > 0x1p-900 && std::fabs(quotient) > 0x1p-900;
  if (points && a.low == 0.0) return {0.0, 0.0};
  if (points && normal && std::fma(quotient, b.low, -a.low) == 0.0) return {quotient, quotient};
  return hull({a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high});
}
Interval operator-(const Interval& a) { return {-a.high, -a.low}; }
// A literal stands for the simplest fraction that rounds to it (Algebra::constant): for itself when
// its denominator is a small power of two.
Interval like(const Interval&, double c) {
  const double scaled = c * 0x1p20;
  return std::isnan(c) || std::trunc(scaled) == scaled ? Interval{c, c} : outward(c, c);
}

Interval abs(const Interval& x) {
  if (x.contains(0.0)) return {0.0, std::max(-x.low, x.high)};
  return x.low > 0 ? x : -x;
}
Interval sign(const Interval& x) {
  return exact_increasing(x, [](double v) { return num::sign(v); });
}
Interval exp(const Interval& x) {
  const Interval y = increasing(x, [](double v) { return std::exp(v); });
  return {std::max(0.0, y.low), y.high};
}
Interval log(const Interval& x) {
  if (x.high < 0) return kLine;
  return increasing({std::max(0.0, x.low), x.high}, [](double v) { return std::log(v); });
}
Interval sqrt(const Interval& x) {
  if (x.high < 0) return kLine;
  return increasing({std::max(0.0, x.low), x.high}, [](double v) { return std::sqrt(v); });
}
Interval erf(const Interval& x) {
  return increasing(x, [](double v) { return std::erf(v); });
}
Interval sin(const Interval& x) { return wave(x, std::sin, 1.5707963267948966); }
Interval cos(const Interval& x) { return wave(x, std::cos, 0.0); }
Interval tan(const Interval& x) { return sin(x) / cos(x); }
Interval asin(const Interval& x) {
  return increasing(x, [](double v) { return std::asin(v); });
}
Interval acos(const Interval& x) {
  return outward(std::acos(x.high), std::acos(x.low), kLibraryUnits);
}
Interval atan(const Interval& x) {
  return increasing(x, [](double v) { return std::atan(v); });
}
Interval sinh(const Interval& x) {
  return increasing(x, [](double v) { return std::sinh(v); });
}
Interval cosh(const Interval& x) {
  return increasing(abs(x), [](double v) { return std::cosh(v); });
}
Interval tanh(const Interval& x) {
  return increasing(x, [](double v) { return std::tanh(v); });
}
Interval asinh(const Interval& x) {
  return increasing(x, [](double v) { return std::asinh(v); });
}
Interval acosh(const Interval& x) {
  return increasing(x, [](double v) { return std::acosh(v); });
}
Interval atanh(const Interval& x) {
  return increasing(x, [](double v) { return std::atanh(v); });
}
Interval floor(const Interval& x) {
  return exact_increasing(x, [](double v) { return std::floor(v); });
}
Interval ceil(const Interval& x) {
  return exact_increasing(x, [](double v) { return std::ceil(v); });
}
Interval round(const Interval& x) {
  return exact_increasing(x, [](double v) { return std::nearbyint(v); });
}
Interval trunc(const Interval& x) {
  return exact_increasing(x, [](double v) { return std::trunc(v); });
}
Interval sigmoid(const Interval& x) {
  return increasing(x, [](double v) { return num::sigmoid(v); });
}
Interval softplus(const Interval& x) {
  return increasing(x, [](double v) { return num::softplus(v); });
}
Interval is_nan(const Interval&) { return {0.0, 0.0}; }
Interval is_inf(const Interval& x) {
  return truth(std::isinf(x.low) && x.low == x.high, std::isinf(x.low) || std::isinf(x.high));
}
// exp(b log a) for positive a; small whole exponents multiply, and negative ones divide.
Interval pow(const Interval& a, const Interval& b) {
  if (b.low == b.high && b.low == std::floor(b.low) && std::fabs(b.low) <= 16) {
    Interval result{1.0, 1.0};
    for (int i = 0; i < static_cast<int>(std::fabs(b.low)); ++i) result = result * a;
    return b.low < 0 ? Interval{1.0, 1.0} / result : result;
  }
  return a.low > 0 ? exp(b * log(a)) : kLine;
}
Interval max(const Interval& a, const Interval& b) {
  return {std::max(a.low, b.low), std::max(a.high, b.high)};
}
Interval min(const Interval& a, const Interval& b) {
  return {std::min(a.low, b.low), std::min(a.high, b.high)};
}
Interval less(const Interval& a, const Interval& b) {
  return truth(a.high < b.low, a.low < b.high);
}
Interval equal(const Interval& a, const Interval& b) {
  return truth(a.low == a.high && a == b, a.low <= b.high && b.low <= a.high);
}
Interval select(const Interval& c, const Interval& a, const Interval& b) {
  if (!c.contains(0.0)) return a;
  if (c.low == 0.0 && c.high == 0.0) return b;
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}
Interval mod(const Interval& a, const Interval& b) { return a - b * floor(a / b); }
Interval fmod(const Interval& a, const Interval& b) { return a - b * trunc(a / b); }

}  // namespace lamina
