// Searching a real witness with interval arithmetic.
#include "verify/witness.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "verify/domains.h"
#include "verify/evaluate.h"

namespace lamina {
namespace {

constexpr double kClearly = 1e-6;

bool bounded(const Interval& x) { return std::isfinite(x.low) && std::isfinite(x.high); }

bool clearly_apart(const Interval& x, const Interval& y) {
  const double gap = std::max(y.low - x.high, x.low - y.high);
  const double magnitude =
      std::max({std::fabs(x.low), std::fabs(x.high), std::fabs(y.low), std::fabs(y.high)});
  return gap > kClearly * magnitude;
}

Tensor to_tensor(const Array<Interval>& array) {
  if (array.is_whole) return Tensor::from_integers(array.dtype, array.shape, array.whole);
  std::vector<double> values;
  for (const Interval& x : array.real) values.push_back(x.low);
  return Tensor::from_doubles(DType::kF64, array.shape, values);
}

Witness make_witness(const Graph& graph, const std::vector<Array<Interval>>& inputs) {
  Witness witness;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Input& input = graph.inputs[i];
    witness.input_names.push_back(graph.nodes[static_cast<std::size_t>(input.node)].name);
    witness.inputs.push_back(to_tensor(inputs[i]));
  }
  return witness;
}

double middle(const Interval& x) { return 0.5 * x.low + 0.5 * x.high; }

class PointCheck {
 public:
  PointCheck(const Graph& a, const Graph& b, const Sizes& sizes) : a_(a), b_(b), sizes_(sizes) {}

  void run(const std::vector<Array<Interval>>& inputs, WitnessSearch& search) {
    const auto x = evaluate(a_, domain_, inputs, sizes_);
    const auto y = evaluate(b_, domain_, inputs, sizes_);
    const std::vector<std::string> names = value_names(a_);
    for (std::size_t k = 0; k < x.size() && k < y.size(); ++k) {
      for (std::int64_t i = 0; i < x[k].size(); ++i) {
        const Interval u = real_at(domain_, x[k], i);
        const Interval v = real_at(domain_, y[k], i);
        const Meeting met = meeting(u, v);
        if (met == Meeting::kOneSided && search.one_sided.empty()) {
          search.one_sided = fmt::format("element {} of '{}' is defined in the {} graph only", i,
                                         names[k], bounded(u) ? "first" : "second");
        }
        if (met != Meeting::kApart) continue;
        Witness witness = make_witness(a_, inputs);
        witness.output = names[k];
        witness.element = i;
        witness.a = middle(u);
        witness.b = middle(v);
        search.witness = std::move(witness);
        return;
      }
    }
  }

 private:
  const Graph& a_;
  const Graph& b_;
  const Sizes& sizes_;
  IntervalDomain domain_;
};

}  // namespace

Meeting meeting(const Interval& x, const Interval& y) {
  if (bounded(x) != bounded(y)) return Meeting::kOneSided;
  return bounded(x) && clearly_apart(x, y) ? Meeting::kApart : Meeting::kOpen;
}

WitnessSearch find_witness(const Graph& a, const Graph& b, const std::vector<InputPlan>& plans,
                           const Sizes& sizes, const std::vector<int>& distributions) {
  WitnessSearch search;
  SecretRandom random(SecretRandom::system_seed());
  PointCheck check(a, b, sizes);
  for (const int distribution : distributions) {
    if (search.witness) break;
    try {
      check.run(draw_reals(plans, distribution, random), search);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      search.failure = error.what();
    }
  }
  return search;
}

}  // namespace lamina
