// Delta debugging of a real point: blocks of elements first, then each by itself.
#include "verify/witness_shrink.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "graph/work.h"

namespace lamina {
namespace {

constexpr double kEnough = 1e-2;  // a gap that no shrinking has to keep
constexpr int kMostTrials = 400;
constexpr double kMostWork = 1e8;  // operations, of all trials together

// From the simplest on.
constexpr double kSimple[] = {0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5};

int affordable_trials(const GraphPair& pair) {
  const double once = count_flops(pair.a, pair.sizes) + count_flops(pair.b, pair.sizes) +
                      static_cast<double>(pair.a.nodes.size() + pair.b.nodes.size());
  return static_cast<int>(std::min<double>(kMostTrials, kMostWork / once));
}

class Shrinker {
 public:
  Shrinker(const GraphPair& pair, RealPoint& point, PointResult& result)
      : pair_(pair),
        point_(point),
        result_(result),
        wanted_(std::min(0.5 * result.gap, kEnough)),
        trials_(affordable_trials(pair)) {
    for (std::size_t i = 0; i < point.size(); ++i) {
      simple_.push_back(simple_numbers(i));
      if (!pair.plans[i].fixed.empty()) continue;
      for (std::size_t k = 0; k < point[i].count(); ++k) elements_.emplace_back(i, k);
    }
  }

  void run() {
    const auto as_stored = [this](std::size_t i, double x) { return stored(i, x); };
    if (!round_all(as_stored)) {
      for (const Element& e : elements_) round({&e, 1}, as_stored);
    }
    for (const double parts : {1.0, 4.0, 16.0, 256.0}) {
      if (round_all([parts](std::size_t, double x) { return std::round(x * parts) / parts; })) {
        break;
      }
    }
    simplify_blocks();
    simplify_elements();
  }

 private:
  using Element = std::pair<std::size_t, std::size_t>;  // input, index

  static double get(const RealPoint& point, const Element& e) {
    const Array<Interval>& array = point[e.first];
    return array.is_whole ? static_cast<double>(array.whole[e.second]) : array.real[e.second].low;
  }

  static void set(RealPoint& point, const Element& e, double x) {
    Array<Interval>& array = point[e.first];
    if (array.is_whole) {
      array.whole[e.second] = static_cast<std::int64_t>(x);
    } else {
      array.real[e.second] = {x, x};
    }
  }

  bool allowed(std::size_t input, double x) const {
    const InputPlan& plan = pair_.plans[input];
    if (plan.real) return plan.facts.low < x && x < plan.facts.high && stored(input, x) == x;
    return x == std::trunc(x) && static_cast<double>(plan.low) <= x &&
           x <= static_cast<double>(plan.high);
  }

  // What is left of x in a tensor of the input's type.
  double stored(std::size_t input, double x) const {
    const DType dtype = pair_.plans[input].type.dtype;
    return Tensor::from_doubles(dtype, {1}, {&x, 1}).to_doubles()[0];
  }

  // What elements of an input may become, from the simplest on: where its range is far from 0 also
  // the integer next to the end that is nearer, and what lies in the middle.
  std::vector<double> simple_numbers(std::size_t input) const {
    std::vector<double> numbers(std::begin(kSimple), std::end(kSimple));
    const InputFacts& facts = pair_.plans[input].facts;
    numbers.push_back(facts.low >= 0.0 ? std::floor(facts.low) + 1.0 : std::ceil(facts.high) - 1.0);
    numbers.push_back(stored(input, 0.5 * facts.low + 0.5 * facts.high));
    std::erase_if(numbers, [&](double x) { return !allowed(input, x); });
    return numbers;
  }

  // How simple x is; less is simpler.
  std::size_t rank(std::size_t input, double x) const {
    const std::vector<double>& numbers = simple_[input];
    return static_cast<std::size_t>(std::find(numbers.begin(), numbers.end(), x) - numbers.begin());
  }

  // Keeps the candidate if the graphs still differ there.
  bool keep(RealPoint candidate) {
    if (trials_ == 0) return false;
    --trials_;
    if (!is_claimed(pair_, candidate)) return false;
    try {
      PointResult result = compare_at(pair_, candidate);
      if (result.gap < wanted_) return false;
      point_ = std::move(candidate);
      result_ = std::move(result);
      return true;
    } catch (const Error&) {
      return false;  // a point that cannot be evaluated is no witness
    }
  }

  template <class Nearest>
  bool round_all(Nearest nearest) {
    return round(elements_, nearest);
  }

  template <class Nearest>
  bool round(std::span<const Element> elements, Nearest nearest) {
    RealPoint candidate = point_;
    for (const Element& e : elements) {
      const double rounded = nearest(e.first, get(point_, e));
      if (allowed(e.first, rounded)) set(candidate, e, rounded);
    }
    return keep(std::move(candidate));
  }

  void simplify_blocks() {
    for (std::size_t size = elements_.size(); size > 0; size /= 2) {
      for (std::size_t first = 0; first < elements_.size() && trials_ > 0; first += size) {
        RealPoint candidate = point_;
        bool changed = false;
        for (std::size_t i = first; i < std::min(first + size, elements_.size()); ++i) {
          changed |= simplify(candidate, elements_[i]);
        }
        if (changed) keep(std::move(candidate));
      }
    }
  }

  // Puts the simplest number there; false if it is there.
  bool simplify(RealPoint& candidate, const Element& e) const {
    const std::vector<double>& numbers = simple_[e.first];
    if (numbers.empty() || numbers[0] == get(candidate, e)) return false;
    set(candidate, e, numbers[0]);
    return true;
  }

  void simplify_elements() {
    for (const Element& e : elements_) {
      if (trials_ == 0) return;
      const std::size_t now = rank(e.first, get(point_, e));
      for (std::size_t k = 1; k < now; ++k) {
        RealPoint candidate = point_;
        set(candidate, e, simple_[e.first][k]);
        if (keep(std::move(candidate))) break;
      }
    }
  }

  const GraphPair& pair_;
  RealPoint& point_;
  PointResult& result_;
  double wanted_;
  int trials_;
  std::vector<Element> elements_;
  std::vector<std::vector<double>> simple_;  // by input
};

}  // namespace

void shrink_witness(const GraphPair& pair, RealPoint& point, PointResult& result) {
  Shrinker(pair, point, result).run();
}

}  // namespace lamina
