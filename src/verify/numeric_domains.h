// The number types of the numerical layer: what a program computes when every node's result is
// rounded to its type (Rounded), the same with a running error bound (Bounded), and exactly.
//
// Operators need no code for them: the scalar templates are the ones for double, and the bound of
// an element-wise function comes from its template for Interval.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "base/check.h"
#include "graph/interpret.h"
#include "graph/real_domain.h"
#include "graph/tolerance.h"
#include "verify/numeric_trace.h"
#include "verify/numeric_types.h"

namespace lamina {

// `Sum` is the type that sums are kept in: float, or double in programs that hold f64.
template <class Sum>
struct Rounded {
  double value = 0.0;

  static Rounded of(double value) { return {static_cast<double>(static_cast<Sum>(value))}; }
  friend Rounded operator+(Rounded a, Rounded b) { return of(a.value + b.value); }
  friend Rounded operator-(Rounded a, Rounded b) { return of(a.value - b.value); }
  friend Rounded operator*(Rounded a, Rounded b) { return of(a.value * b.value); }
  friend Rounded like(Rounded, double c) { return {c}; }
  friend Rounded equal(Rounded a, Rounded b) { return {num::equal(a.value, b.value)}; }
  friend Rounded max(Rounded a, Rounded b) { return {num::max(a.value, b.value)}; }
  friend Rounded min(Rounded a, Rounded b) { return {num::min(a.value, b.value)}; }
};

// A computed value and a bound of its distance from the exact one (Wilkinson's running error
// analysis; Higham, "Accuracy and Stability of Numerical Algorithms", section 3.3): every
// operation passes on the errors of its operands and adds one unit roundoff of its result.
template <class Sum>
struct Bounded {
  double value = 0.0;
  double error = 0.0;

  // A little above the unit roundoff: it also covers that the exact result is known as a double.
  static constexpr double kUnit = std::numeric_limits<Sum>::epsilon() / 2 * 1.001;
  static constexpr double kTiny = std::numeric_limits<Sum>::denorm_min();

  static Bounded of(double exact, double error) {
    const auto value = static_cast<double>(static_cast<Sum>(exact));
    return {value, error + kUnit * std::fabs(value) + (exact == value ? 0.0 : kTiny)};
  }
  friend Bounded operator+(Bounded a, Bounded b) {
    return of(a.value + b.value, a.error + b.error);
  }
  friend Bounded operator-(Bounded a, Bounded b) {
    return of(a.value - b.value, a.error + b.error);
  }
  friend Bounded operator*(Bounded a, Bounded b) {
    return of(a.value * b.value,
              std::fabs(a.value) * b.error + std::fabs(b.value) * a.error + a.error * b.error);
  }
  friend Bounded like(Bounded, double c) { return {c, 0.0}; }
  friend Bounded equal(Bounded a, Bounded b) { return {num::equal(a.value, b.value), 0.0}; }
  friend Bounded max(Bounded a, Bounded b) {
    return {num::max(a.value, b.value), std::max(a.error, b.error)};
  }
  friend Bounded min(Bounded a, Bounded b) {
    return {num::min(a.value, b.value), std::max(a.error, b.error)};
  }
};

inline double value_of(double x) { return x; }
template <class Sum>
double value_of(Rounded<Sum> x) {
  return x.value;
}
template <class Sum>
double value_of(Bounded<Sum> x) {
  return x.value;
}

// The reals of an array; integers as doubles.
template <class Number>
std::vector<double> values_of(const Array<Number>& a) {
  if (a.is_whole) return {a.whole.begin(), a.whole.end()};
  std::vector<double> values;
  values.reserve(a.real.size());
  for (const Number& x : a.real) values.push_back(value_of(x));
  return values;
}

template <class Number>
Visit visit_of(const Trail& trail, const std::vector<const Array<Number>*>& in,
               const std::vector<Array<Number>>& out) {
  Visit visit{trail.place(), {}, {}};
  for (const Array<Number>* a : in) visit.inputs.push_back(values_of(*a));
  for (const Array<Number>& a : out) visit.outputs.push_back(values_of(a));
  return visit;
}

// No operator of the table has more operands in its scalar template.
constexpr std::size_t kMostOperands = 8;

// The scalar template for double, called on rounded values. The caller rounds the result.
template <class Sum>
struct RoundedCall {
  double (*real)(std::span<const double>, const Attrs&) = nullptr;

  bool operator==(std::nullptr_t) const { return real == nullptr; }
  Rounded<Sum> operator()(std::span<const Rounded<Sum>> x, const Attrs& attrs) const {
    check(x.size() <= kMostOperands, "a scalar function of {} operands", x.size());
    std::array<double, kMostOperands> values{};
    for (std::size_t i = 0; i < x.size(); ++i) values[i] = x[i].value;
    return {real(std::span(values).first(x.size()), attrs)};
  }
};

// The same with the bound: how far the function can be from its computed value while the operands
// range over their bounds.
template <class Sum>
struct BoundedCall {
  double (*real)(std::span<const double>, const Attrs&) = nullptr;
  Interval (*interval)(std::span<const Interval>, const Attrs&) = nullptr;

  bool operator==(std::nullptr_t) const { return real == nullptr; }
  Bounded<Sum> operator()(std::span<const Bounded<Sum>> x, const Attrs& attrs) const {
    check(x.size() <= kMostOperands, "a scalar function of {} operands", x.size());
    std::array<double, kMostOperands> values{};
    std::array<Interval, kMostOperands> ranges{};
    bool exact = true;
    for (std::size_t i = 0; i < x.size(); ++i) {
      values[i] = x[i].value;
      ranges[i] = {x[i].value - x[i].error, x[i].value + x[i].error};
      exact = exact && x[i].error == 0.0;
    }
    const double value = real(std::span(values).first(x.size()), attrs);
    if (exact) return {value, 0.0};
    constexpr double kNone = std::numeric_limits<double>::infinity();
    if (interval == nullptr) return {value, kNone};
    const Interval range = interval(std::span(ranges).first(x.size()), attrs);
    const double error = std::max(range.high - value, value - range.low);
    return {value, std::isnan(error) ? kNone : std::max(0.0, error)};
  }
};

// What the rounding domains share. Comparisons are decided by the computed values.
template <class N>
class RoundingDomain {
 public:
  using Number = N;
  using A = Array<Number>;
  static constexpr std::size_t kBlock = 16;

  explicit RoundingDomain(Trace* trace = nullptr) : trace_(trace) {}

  Number constant(double value) const { return {value}; }
  Number integer(std::int64_t value) const { return {static_cast<double>(value)}; }
  std::optional<std::int64_t> to_whole(const Number& x) const { return truncate_to_int64(x.value); }
  Number round_to(const Number& x, DType) const { return x; }  // leave() rounds
  bool before(const Number& a, const Number& b) const {
    return RealDomain{}.before(a.value, b.value);
  }

  // One product after another into the running sums, each rounded once: a fused multiply-add.
  void dots(const Strided<Number>& a, const Strided<Number>& b, std::int64_t n,
            std::span<Number> totals) const {
    // Sums in a small array of their own stay in registers.
    std::array<Number, kBlock> sums;
    for (std::size_t first = 0; first < totals.size(); first += kBlock) {
      const std::size_t count = std::min(kBlock, totals.size() - first);
      std::copy_n(totals.begin() + static_cast<std::ptrdiff_t>(first), count, sums.begin());
      const auto at = static_cast<std::int64_t>(first);
      const Strided<Number> x{a.at + at * a.next, a.step, a.next};
      const Strided<Number> y{b.at + at * b.next, b.step, b.next};
      if (count == kBlock && x.next == 0 && y.next == 1) {
        row_of_products(x, y, n, sums);
      } else {
        products(x, y, n, std::span(sums).first(count));
      }
      std::copy_n(sums.begin(), count, totals.begin() + static_cast<std::ptrdiff_t>(first));
    }
  }

  void enter(const Node& node) { trail_.enter(node); }

  // Rounds the results of nodes that hold no others to their types.
  void leave(const Node&, const std::vector<const A*>& in, std::vector<A>& out) {
    if (trail_.is_leaf()) {
      for (A& a : out) round(a);
      if (trace_ != nullptr) trace_->compare(visit_of<Number>(trail_, in, out));
    }
    trail_.leave();
  }

 private:
  static void products(const Strided<Number>& x, const Strided<Number>& y, std::int64_t n,
                       std::span<Number> sums) {
    for (std::int64_t k = 0; k < n; ++k) {
      for (std::size_t j = 0; j < sums.size(); ++j) {
        const auto column = static_cast<std::int64_t>(j);
        accumulate(sums[j], x.at[k * x.step + column * x.next], y.at[k * y.step + column * y.next]);
      }
    }
  }

  // The usual case, a row of a matrix product: one factor is shared, the others lie side by side.
  static void row_of_products(const Strided<Number>& x, const Strided<Number>& y, std::int64_t n,
                              std::array<Number, kBlock>& sums) {
    for (std::int64_t k = 0; k < n; ++k) {
      const Number shared = x.at[k * x.step];
      const Number* row = y.at + k * y.step;
      for (std::size_t j = 0; j < kBlock; ++j) accumulate(sums[j], shared, row[j]);
    }
  }

  template <class Sum>
  static void accumulate(Rounded<Sum>& total, const Rounded<Sum>& x, const Rounded<Sum>& y) {
    total = Rounded<Sum>::of(total.value + x.value * y.value);
  }
  template <class Sum>
  static void accumulate(Bounded<Sum>& total, const Bounded<Sum>& x, const Bounded<Sum>& y) {
    const double passed =
        std::fabs(x.value) * y.error + std::fabs(y.value) * x.error + x.error * y.error;
    total = Bounded<Sum>::of(total.value + x.value * y.value, total.error + passed);
  }

  template <class Sum>
  static void round(Rounded<Sum>& x, DType dtype) {
    x.value = RealDomain{}.round_to(x.value, dtype);
  }
  template <class Sum>
  static void round(Bounded<Sum>& x, DType dtype) {
    const double before = x.value;
    x.value = RealDomain{}.round_to(before, dtype);
    if (x.value != before) {
      x.error += unit_roundoff(dtype) * std::fabs(x.value) + smallest_step(dtype);
    }
  }
  static void round(A& a) {
    if (a.is_whole || !traits(a.dtype).is_float) return;
    for (Number& x : a.real) round(x, a.dtype);
  }

  Trail trail_;
  Trace* trace_;
};

template <class Sum>
class RoundedDomain : public RoundingDomain<Rounded<Sum>> {
 public:
  using RoundingDomain<Rounded<Sum>>::RoundingDomain;
  static auto scalar(const ScalarMeaning& meaning) { return RoundedCall<Sum>{meaning.real}; }
};

template <class Sum>
class BoundedDomain : public RoundingDomain<Bounded<Sum>> {
 public:
  using RoundingDomain<Bounded<Sum>>::RoundingDomain;
  static auto scalar(const ScalarMeaning& meaning) {
    return BoundedCall<Sum>{meaning.real, meaning.interval};
  }
};

// Doubles that no node rounds: casts between float types are the identity.
class ExactDomain : public RealDomain {
 public:
  using A = Array<double>;

  explicit ExactDomain(Trace* trace = nullptr) : trace_(trace) {}

  double round_to(double value, DType) const { return value; }
  void enter(const Node& node) { trail_.enter(node); }
  void leave(const Node&, const std::vector<const A*>& in, std::vector<A>& out) {
    if (trace_ != nullptr && trail_.is_leaf()) trace_->record(visit_of<double>(trail_, in, out));
    trail_.leave();
  }

 private:
  Trail trail_;
  Trace* trace_;
};

}  // namespace lamina
