// Interval values of two graphs, element by element.
#include "verify/point_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "verify/domains.h"
#include "verify/evaluate.h"

namespace lamina {
namespace {

bool bounded(const Interval& x) { return std::isfinite(x.low) && std::isfinite(x.high); }
double magnitude(const Interval& x) { return std::max(std::fabs(x.low), std::fabs(x.high)); }
double middle(const Interval& x) { return 0.5 * x.low + 0.5 * x.high; }

// Adds the elements of output number `value`, called `name`.
class OutputCheck {
 public:
  OutputCheck(std::size_t value, const std::string& name, PointResult& result)
      : value_(value), name_(name), result_(result) {}

  void add(std::int64_t element, const Interval& u, const Interval& v) {
    if (meeting(u, v) == Meeting::kOneSided && result_.one_sided.empty()) {
      result_.one_sided = fmt::format("element {} of '{}' is defined in the {} graph only", element,
                                      name_, bounded(u) ? "first" : "second");
    }
    if (!bounded(u) || !bounded(v)) {
      ++result_.unbounded;
      return;
    }
    ++result_.compared;
    const double larger = std::max(magnitude(u), magnitude(v));
    scale_ = std::max(scale_, larger);
    const double apart = std::max(v.low - u.high, u.low - v.high);
    most_ = std::max({most_, u.high - v.low, v.high - u.low});
    if (!(apart > 0.0)) return;
    least_ = std::max(least_, apart);
    note(element, u, v, apart / larger);
  }

  void finish() {
    constexpr double kZero = 1e-300;  // what outward rounding makes of zeros is no magnitude
    const double scale = std::max(scale_, kZero);
    result_.least_distance = std::max(result_.least_distance, least_ / scale);
    result_.most_distance = std::max(result_.most_distance, most_ / scale);
  }

 private:
  void note(std::int64_t element, const Interval& u, const Interval& v, double gap) {
    if (result_.gap > kClearly || gap <= result_.gap) return;
    result_.value = value_;
    result_.element = element;
    result_.a = middle(u);
    result_.b = middle(v);
    result_.gap = gap;
  }

  std::size_t value_;
  const std::string& name_;
  PointResult& result_;
  double scale_ = 0.0;
  double least_ = 0.0;
  double most_ = 0.0;
};

}  // namespace

Meeting meeting(const Interval& x, const Interval& y) {
  if (bounded(x) != bounded(y)) return Meeting::kOneSided;
  const double gap = std::max(y.low - x.high, x.low - y.high);
  const bool apart = bounded(x) && gap > kClearly * std::max(magnitude(x), magnitude(y));
  return apart ? Meeting::kApart : Meeting::kOpen;
}

std::vector<Tensor> to_tensors(const RealPoint& point) {
  std::vector<Tensor> tensors;
  for (const Array<Interval>& array : point) {
    if (array.is_whole) {
      tensors.push_back(Tensor::from_integers(array.dtype, array.shape, array.whole));
      continue;
    }
    std::vector<double> values;
    for (const Interval& x : array.real) values.push_back(x.low);
    tensors.push_back(Tensor::from_doubles(DType::kF64, array.shape, values));
  }
  return tensors;
}

PointResult compare_at(const GraphPair& pair, const RealPoint& point) {
  IntervalDomain domain;
  const auto x = evaluate(pair.a, domain, point, pair.sizes);
  const auto y = evaluate(pair.b, domain, point, pair.sizes);
  const std::vector<std::string> names = value_names(pair.a);
  PointResult result;
  for (std::size_t k = 0; k < x.size() && k < y.size(); ++k) {
    OutputCheck output(k, names[k], result);
    for (std::int64_t i = 0; i < x[k].size(); ++i) {
      output.add(i, real_at(domain, x[k], i), real_at(domain, y[k], i));
    }
    output.finish();
  }
  return result;
}

bool is_claimed(const GraphPair& pair, const RealPoint& point) {
  return !pair.options.claims || pair.options.claims(to_tensors(point));
}

}  // namespace lamina
