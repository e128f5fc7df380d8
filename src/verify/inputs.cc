// Drawing sizes, residues, integers and real points.
#include "verify/inputs.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "verify/index_limits.h"

namespace lamina {
namespace {

// Integers that index nothing: counts, positions, flags.
std::pair<std::int64_t, std::int64_t> plain_range(DType dtype) {
  if (dtype == DType::kBool) return {0, 1};
  return {dtype == DType::kU8 ? 0 : -4, 8};
}

std::int64_t largest(DType dtype) {
  return dtype == DType::kI8     ? 127
         : dtype == DType::kU8   ? 255
         : dtype == DType::kBool ? 1
                                 : 1 << 30;
}

std::optional<std::int64_t> shorter(std::optional<std::int64_t> a, std::optional<std::int64_t> b) {
  return a && b ? std::min(*a, *b) : a ? a : b;
}

// Uniform, but with the ends of the range, and so repetitions, often enough.
std::vector<std::int64_t> draw_integers(const InputPlan& plan, SecretRandom& random) {
  if (!plan.fixed.empty()) return plan.fixed.to_integers();
  const auto span = static_cast<std::uint64_t>(plan.high - plan.low + 1);
  std::vector<std::int64_t> values(static_cast<std::size_t>(element_count(plan.shape)));
  for (std::int64_t& value : values) {
    const std::uint64_t kind = random.below(8);
    value = kind == 0   ? plan.low
            : kind == 1 ? plan.high
                        : plan.low + static_cast<std::int64_t>(random.below(span));
  }
  return values;
}

// `draw_real` gives an element of an input of that plan.
template <class Number, class Draw>
std::vector<Array<Number>> draw(const std::vector<InputPlan>& plans, SecretRandom& random,
                                Draw draw_real) {
  std::vector<Array<Number>> arrays;
  for (const InputPlan& plan : plans) {
    Array<Number> array{plan.type.dtype, plan.shape, {}, {}, !plan.real};
    if (plan.real) {
      array.real.resize(static_cast<std::size_t>(element_count(plan.shape)));
      for (Number& x : array.real) x = draw_real(plan);
    } else {
      array.whole = draw_integers(plan, random);
    }
    arrays.push_back(std::move(array));
  }
  return arrays;
}

double draw_real(int distribution, SecretRandom& random) {
  const double u = random.unit();
  switch (distribution) {
    case 0:
      return 2.0 * u - 1.0;
    case 1:
      return 0.25 + 1.5 * u;
    case 2:
      return static_cast<double>(random.below(7)) - 3.0;
    case 3:
      return 0.2 * u - 0.1;
    default:
      return 8.0 * u - 4.0;
  }
}

// Inside the range: as drawn if that happens soon, else uniform, else as far from the one bound as
// what was drawn is from 0.
double draw_inside(const InputFacts& facts, int distribution, SecretRandom& random) {
  constexpr int kAttempts = 16;
  double x = 0.0;
  for (int i = 0; i < kAttempts; ++i) {
    x = draw_real(distribution, random);
    if (facts.low < x && x < facts.high) return x;
  }
  if (std::isfinite(facts.low) && std::isfinite(facts.high)) {
    const double u = 0.001 + 0.998 * random.unit();
    return facts.low * (1.0 - u) + facts.high * u;
  }
  const double distance = std::fabs(x) + 0.001;
  return std::isfinite(facts.low) ? facts.low + distance : facts.high - distance;
}

}  // namespace

std::vector<InputPlan> plan_inputs(const Graph& a, const Graph& b, const Sizes& sizes) {
  const auto limits_a = index_limits(a, sizes);
  const auto limits_b = index_limits(b, sizes);
  std::vector<InputPlan> plans;
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    InputPlan plan;
    plan.type = a.nodes[static_cast<std::size_t>(a.inputs[i].node)].types[0];
    plan.shape = evaluate(plan.type.shape, sizes);
    plan.real = traits(plan.type.dtype).is_float;
    if (!plan.real) {
      const auto [low, high] = plain_range(plan.type.dtype);
      plan.low = low;
      plan.high = high;
      if (const auto limit = shorter(limits_a[i], limits_b[i])) {
        plan.low = 0;
        plan.high = std::max<std::int64_t>(0, std::min(*limit - 1, largest(plan.type.dtype)));
      }
      if (a.inputs[i].role == Role::kWeight) plan.fixed = a.inputs[i].value;
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

Sizes choose_sizes(const Graph& a, const Graph& b, int index) {
  constexpr std::int64_t kFirst[] = {3, 1, 6, 2};
  std::map<std::string, SizeRange> ranges;
  for (const Graph* graph : {&a, &b}) {
    for (const SizeRange& size : graph->sizes) {
      const auto [at, added] = ranges.try_emplace(size.name, size);
      if (added) continue;
      at->second.min = std::max(at->second.min, size.min);
      at->second.max = std::min(at->second.max, size.max);
    }
  }
  Sizes sizes;
  std::int64_t step = 0;
  for (const auto& [name, range] : ranges) {
    const std::int64_t wanted = kFirst[static_cast<std::size_t>(index) % 4] + step++;
    sizes[name] = std::max(range.min, std::min(range.max, std::max(range.min + step - 1, wanted)));
  }
  return sizes;
}

std::vector<Array<Formal>> draw_residues(const std::vector<InputPlan>& plans,
                                         const ResidueField& field, SecretRandom& random) {
  return draw<Formal>(plans, random, [&](const InputPlan& plan) {
    return plan.positive() ? field.positive(field.random()) : field.random();
  });
}

std::vector<Array<Interval>> draw_reals(const std::vector<InputPlan>& plans, int distribution,
                                        SecretRandom& random) {
  return draw<Interval>(plans, random, [&](const InputPlan& plan) {
    const double x = draw_inside(plan.facts, distribution, random);
    return Interval{x, x};
  });
}

}  // namespace lamina
