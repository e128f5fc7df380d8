// Interval: a closed range of reals that certainly holds a value. Bounds are rounded outward by one
// unit in the last place, so a chain of operations stays certain.
#pragma once

namespace lamina {

struct Interval {
  double low = 0.0;
  double high = 0.0;

  bool contains(double x) const { return low <= x && x <= high; }
  bool operator==(const Interval&) const = default;
};

Interval operator+(const Interval& a, const Interval& b);
Interval operator-(const Interval& a, const Interval& b);
Interval operator*(const Interval& a, const Interval& b);
// The whole line when `b` contains 0.
Interval operator/(const Interval& a, const Interval& b);
Interval operator-(const Interval& a);
Interval like(const Interval& x, double c);
Interval abs(const Interval& x);
Interval sign(const Interval& x);
Interval exp(const Interval& x);
Interval log(const Interval& x);
Interval sqrt(const Interval& x);
Interval erf(const Interval& x);
Interval sin(const Interval& x);
Interval cos(const Interval& x);
Interval tan(const Interval& x);
Interval asin(const Interval& x);
Interval acos(const Interval& x);
Interval atan(const Interval& x);
Interval sinh(const Interval& x);
Interval cosh(const Interval& x);
Interval tanh(const Interval& x);
Interval asinh(const Interval& x);
Interval acosh(const Interval& x);
Interval atanh(const Interval& x);
Interval floor(const Interval& x);
Interval ceil(const Interval& x);
Interval round(const Interval& x);
Interval trunc(const Interval& x);
Interval sigmoid(const Interval& x);
Interval softplus(const Interval& x);
Interval is_nan(const Interval& x);
Interval is_inf(const Interval& x);
Interval pow(const Interval& a, const Interval& b);
Interval max(const Interval& a, const Interval& b);
Interval min(const Interval& a, const Interval& b);
Interval less(const Interval& a, const Interval& b);
Interval equal(const Interval& a, const Interval& b);
Interval mod(const Interval& a, const Interval& b);
Interval fmod(const Interval& a, const Interval& b);
Interval select(const Interval& c, const Interval& a, const Interval& b);

}  // namespace lamina
