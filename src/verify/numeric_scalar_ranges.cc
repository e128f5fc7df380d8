// Element-wise operators: their interval template on what their domain leaves of the operands, made
// sharper by what is known of the operands together.
#include "verify/numeric_scalar_ranges.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace lamina {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTiny = std::numeric_limits<double>::min();

std::string bounds(const Range& x) {
  return fmt::format("[{:.4g}, {:.4g}]", x.finite->low, x.finite->high);
}

// Operands on the way into an operator that is not defined everywhere.
class Domain {
 public:
  Domain(const Node& node, std::span<const Range> operands, ScalarRange& result)
      : node_(node), x_(operands.begin(), operands.end()), result_(result) {}

  std::vector<Range> run() {
    const std::string_view name = node_.op->name;
    // That a divisor may be small is no news about the quotient.
    const bool divides = name == "div" || name == "reciprocal" || name == "rsqrt";
    result_.vague = divides || name == "pow";
    if (name == "div") exclude_zero(1, "divisor");
    if (name == "reciprocal") exclude_zero(0, "divisor");
    if (name == "log" || name == "rsqrt") require_positive(0);
    if (name == "sqrt") require_not_negative(0);
    if (name == "pow") power();
    return std::move(x_);
  }

 private:
  void report(Hazard::Kind kind, std::string detail) {
    if (!result_.hazard) result_.hazard = {kind, std::move(detail)};
  }

  // A range that touches 0 without holding it starts just beside it.
  void open_at_zero(Range& x) {
    if (x.finite->low == 0.0) x.finite->low = std::min(kTiny, x.finite->high);
    if (x.finite->high == 0.0) x.finite->high = std::max(-kTiny, x.finite->low);
  }

  void exclude_zero(std::size_t k, const char* what) {
    Range& x = x_[k];
    if (!x.finite || !x.finite->contains(0.0)) return;
    if (!x.never_zero) report(Hazard::Kind::kSingular, fmt::format("{} in {}", what, bounds(x)));
    open_at_zero(x);
  }

  void require_not_negative(std::size_t k) {
    Range& x = x_[k];
    if (!x.finite || x.finite->low >= 0.0) return;
    report(Hazard::Kind::kDomain, fmt::format("argument in {}", bounds(x)));
    x.finite->low = 0.0;
    x.finite->high = std::max(0.0, x.finite->high);
  }

  void require_positive(std::size_t k) {
    Range& x = x_[k];
    if (!x.finite || x.finite->low > 0.0) return;
    const bool negative = x.finite->low < 0.0;
    if (negative || !x.never_zero) {
      report(negative ? Hazard::Kind::kDomain : Hazard::Kind::kSingular,
             fmt::format("argument in {}", bounds(x)));
    }
    x.finite->low = kTiny;
    x.finite->high = std::max(kTiny, x.finite->high);
  }

  void power() {
    if (!x_[0].finite || !x_[1].finite) return;
    const Interval exponent = *x_[1].finite;
    const bool whole = exponent.low == exponent.high && exponent.low == std::floor(exponent.low);
    if (!whole) require_not_negative(0);
    if (exponent.low < 0.0) exclude_zero(0, "base of a negative power");
  }

  const Node& node_;
  std::vector<Range> x_;
  ScalarRange& result_;
};

// The operator on every combination of finite parts and infinities.
class Combinations {
 public:
  Combinations(const Node& node, std::span<const Range> operands)
      : node_(node), operands_(operands), at_(operands.size()) {}

  Range run() {
    visit(0, true);
    return out_;
  }

 private:
  void visit(std::size_t k, bool finite) {
    if (k == operands_.size()) return add(finite);
    const Range& x = operands_[k];
    if (x.finite) {
      at_[k] = *x.finite;
      visit(k + 1, finite);
    }
    for (const double infinity : {-kInfinity, kInfinity}) {
      if (infinity < 0.0 ? !x.minus : !x.plus) continue;
      at_[k] = {infinity, infinity};
      visit(k + 1, false);
    }
  }

  void add(bool finite) {
    const Interval y = node_.op->scalar.interval(at_, node_.attrs);
    const double most = std::numeric_limits<double>::max() / 2;  // bounds are rounded outward
    const bool unknown = y.low == -kInfinity && y.high == kInfinity;
    if (!finite && unknown) return;  // infinity - infinity: NaN is for the measurement to show
    if (!finite && y.high <= -most) {
      out_.minus = true;
    } else if (!finite && y.low >= most) {
      out_.plus = true;
    } else {
      out_ = hull(out_, Range::of(y));
    }
  }

  const Node& node_;
  std::span<const Range> operands_;
  std::vector<Interval> at_;
  Range out_;
};

// In exact arithmetic.
bool is_never_zero(const Node& node, std::span<const Range> x) {
  const std::string_view name = node.op->name;
  const auto excluded = [&](std::size_t k) { return x[k].excludes_zero(); };
  const auto positive = [&](std::size_t k) { return x[k].at_least_zero() && excluded(k); };
  if (name == "exp" || name == "sigmoid" || name == "softplus") return true;
  if (name == "mul") return excluded(0) && excluded(1);
  if (name == "select") return excluded(1) && excluded(2);
  if (name == "max") return positive(0) || positive(1) || (excluded(0) && excluded(1));
  if (name == "add") {
    return (positive(0) && x[1].at_least_zero()) || (positive(1) && x[0].at_least_zero());
  }
  for (const char* passes : {"div", "neg", "abs", "sqrt", "rsqrt", "reciprocal", "cast", "pow"}) {
    if (name == passes) return excluded(0);
  }
  return false;
}

// What the operands are to each other.
void sharpen(const Graph& graph, NodeId n, std::span<const Range> x, const OrderFacts& facts,
             Range& range) {
  const Node& node = graph.node({n, 0});
  const std::string_view name = node.op->name;
  Interval& y = *range.finite;
  if (name == "pow" && x[1].finite) {
    const double exponent = x[1].finite->low;
    const bool even = exponent == x[1].finite->high && std::fmod(exponent, 2.0) == 0.0;
    if (even) y.low = std::max(y.low, 0.0);
  }
  if (node.inputs.size() != 2 || name == "pow") return;
  const Value a = node.inputs[0];
  const Value b = node.inputs[1];
  if (name == "mul" && facts.same(a, b)) y.low = std::max(y.low, 0.0);
  if (name == "sub" && facts.at_least(b, a)) {
    y.high = std::min(y.high, 0.0);
    range.plus = false;  // b is -infinity only where a is
  }
  if (name == "sub" && facts.at_least(a, b)) {
    y.low = std::max(y.low, 0.0);
    range.minus = false;
  }
  const bool positive = x[0].at_least_zero() && x[1].at_least_zero();
  if (name == "div" && positive && facts.at_least(b, a)) y = {std::max(y.low, 0.0), 1.0};
}

}  // namespace

ScalarRange scalar_range(const Graph& graph, NodeId n, std::span<const Range> operands,
                         const OrderFacts& facts) {
  const Node& node = graph.node({n, 0});
  ScalarRange result;
  const std::vector<Range> admitted = Domain(node, operands, result).run();
  // Intervals would make one range of a value and a mask of infinities.
  result.range = node.op->name == "select" ? hull(admitted[1], admitted[2])
                                           : Combinations(node, admitted).run();
  if (result.range.finite) {
    const Interval& y = *result.range.finite;
    if (y.low == -kInfinity && y.high == kInfinity) result.vague = true;
    sharpen(graph, n, operands, facts, result.range);
  }
  result.range.never_zero = is_never_zero(node, operands);
  return result;
}

}  // namespace lamina
