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
constexpr double kMostWork = 1e8;   // operations, of all trials together
constexpr double kWorkOfNode = 50;  // what interpreting a node costs, in operations

// From the simplest on.
constexpr double kSimple[] = {0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5};

int affordable_trials(const GraphPair& pair) {
  double once = count_flops(pair.a, pair.sizes) + count_flops(pair.b, pair.sizes) +
                kWorkOfNode * static_cast<double>(pair.a.nodes.size() + pair.b.nodes.size());
  for (const InputPlan& plan : pair.plans) {
    once += static_cast<double>(element_count(plan.shape));
  }
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
    if (!replace(elements_, as_stored)) {
      for (std::size_t k = 0; k < elements_.size() && trials_ > 0; ++k) replace(one(k), as_stored);
    }
    for (const double parts : {1.0, 4.0, 16.0, 256.0}) {
      const auto rounded = [parts](std::size_t, double x) { return std::round(x * parts) / parts; };
      if (replace(elements_, rounded)) break;
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

  std::span<const Element> one(std::size_t k) const { return {&elements_[k], 1}; }

  // Puts target(input, x) in the place of each x of these elements where it is allowed. False where
  // that changes nothing, and where the graphs are then too near.
  template <class Target>
  bool replace(std::span<const Element> elements, Target target) {
    const auto changed = [&](const Element& e) {
      const double x = get(point_, e);
      const double other = target(e.first, x);
      return other != x && allowed(e.first, other);
    };
    if (trials_ == 0 || std::none_of(elements.begin(), elements.end(), changed)) return false;
    RealPoint candidate = point_;
    for (const Element& e : elements) {
      if (changed(e)) set(candidate, e, target(e.first, get(point_, e)));
    }
    return keep(std::move(candidate));
  }

  void simplify_blocks() {
    const std::span<const Element> all = elements_;
    const auto simplest = [this](std::size_t input, double x) {
      return simple_[input].empty() ? x : simple_[input][0];
    };
    for (std::size_t size = all.size(); size > 0; size /= 2) {
      for (std::size_t first = 0; first < all.size() && trials_ > 0; first += size) {
        replace(all.subspan(first, std::min(size, all.size() - first)), simplest);
      }
    }
  }

  void simplify_elements() {
    for (std::size_t at = 0; at < elements_.size() && trials_ > 0; ++at) {
      const Element& e = elements_[at];
      const std::size_t now = rank(e.first, get(point_, e));
      for (std::size_t k = 1; k < now; ++k) {
        const double simpler = simple_[e.first][k];
        if (replace(one(at), [simpler](std::size_t, double) { return simpler; })) break;
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
