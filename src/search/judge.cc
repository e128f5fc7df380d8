// Proving and comparing candidates.
#include "search/judge.h"

#include <algorithm>
#include <cmath>

#include "graph/op_def.h"
#include "graph/tolerance.h"
#include "lamina/bench.h"
#include "lamina/numeric.h"
#include "search/conv_regions.h"

namespace lamina::search {
namespace {

constexpr int kMostPasses = 24;
constexpr int kMostRuns = 3;
constexpr int kElements = 2;              // of each output, that are proved at full shape
constexpr std::int64_t kSmallExtent = 8;  // dimensions of the instances that are proved
// And of those that are emulated: sizes up to the first stay, larger ones begin at the second, so
// that sums are long enough for errors to show and the emulation is quick.
constexpr std::int64_t kNumericExtent = 48;
constexpr std::int64_t kNumericSmallest = 49;

constexpr double kMostElements = 1 << 25;  // that the reference device computes in seconds

// Of all values that are computed.
double count_elements(const Graph& graph, const Sizes& sizes) {
  double count = 0.0;
  for (const Node& node : graph.nodes) {
    if (node.op->name == "input") continue;
    for (const Type& type : node.types) {
      count += static_cast<double>(element_count(evaluate(type.shape, sizes)));
    }
  }
  return count;
}

// Windows of convolutions keep their size: only what they slide over shrinks.
std::optional<Graph> small_instance(const Graph& prepared, std::int64_t extent,
                                    std::int64_t smallest) {
  std::optional<Graph> small = small_convolution(prepared);
  return small ? small : shrink_sizes(prepared, extent, smallest);
}

}  // namespace

bool is_too_far_off(double off, double unfused) {
  // The largest error after hundreds of layers is a matter of chance: a program whose regions all
  // keep the tolerance was 1.88 tolerances off where the unfused one was 1.64. Half of what makes a
  // program numerically worse (docs/numerics.md).
  constexpr double kMost = 2.0;
  if (off <= 1.0) return false;
  return !(std::isfinite(off) && unfused > 1.0 && off <= kMost * unfused);
}

bool is_comparable(const Graph& graph) {
  Sizes smallest;
  for (const SizeRange& range : graph.sizes) smallest[range.name] = range.min;
  return count_elements(graph, smallest) <= kMostElements;
}

std::vector<Sizes> choose_bindings(const Graph& graph, std::int64_t largest) {
  if (graph.sizes.empty()) return {Sizes{}};
  const auto all = [&](auto value) {
    Sizes sizes;
    for (const SizeRange& range : graph.sizes) {
      sizes[range.name] = std::clamp<std::int64_t>(value(range), range.min, range.max);
    }
    return sizes;
  };
  // Beyond `largest` a range is tried up to twice its smallest size.
  const auto wanted = [&](const SizeRange& range) { return std::max(largest, 2 * range.min); };
  // A batch of large inputs would take the reference device minutes: fewer of them do as well.
  Sizes high = all(wanted);
  for (std::int64_t part = 2; part <= largest && count_elements(graph, high) > kMostElements;
       part *= 2) {
    high = all([&](const SizeRange& range) { return wanted(range) / part; });
  }
  const Sizes low = all([](const SizeRange& range) { return range.min; });
  const Sizes middle = all([&](const SizeRange& range) {
    return std::llround(std::sqrt(static_cast<double>(std::max<std::int64_t>(1, range.min)) *
                                  static_cast<double>(high[range.name])));
  });
  std::vector<Sizes> bindings = {low};
  if (middle != low) bindings.push_back(middle);
  if (high != middle) bindings.push_back(high);
  return bindings;
}

Judge::Judge(const Graph& prepared, std::vector<Sizes> bindings, std::uint64_t seed,
             const std::string& folder)
    : prepared_(prepared),
      small_(small_instance(prepared, kSmallExtent, 3)),
      numeric_(small_instance(prepared, kNumericExtent, kNumericSmallest)),
      bindings_(std::move(bindings)) {
  for (const Sizes& sizes : bindings_) inputs_.push_back(random_inputs(prepared, sizes, seed));
  wanted_ = std::async(std::launch::async, [this, folder] {
    References references;
    for (const auto& inputs : inputs_) {
      references.push_back(reference_outputs(prepared_, inputs, folder));
    }
    return references;
  });
}

std::vector<std::string> Judge::warnings() const {
  std::vector<std::string> warnings;
  for (const ReferenceOutputs& reference : wanted_.get()) {
    if (!reference.warning.empty()) warnings.push_back(reference.warning);
  }
  return warnings;
}

std::optional<Graph> Judge::candidate(const Recipe& recipe,
                                      const std::optional<Graph>& instance) const {
  return instance ? apply(*instance, shrink(recipe, prepared_, *instance))
                  : apply(prepared_, recipe);
}

Verdict Judge::prove(const Recipe& recipe, std::size_t candidates) const {
  if (const std::optional<Graph> small = candidate(recipe, small_)) {
    return proofs_.get(*small, [&] { return proof_of(*small, candidates); });
  }
  Verdict verdict;
  verdict.reason = "the candidate has no small instance";
  return verdict;
}

// What the passes of one run bound badly, those of another may bound well. Any of the runs could
// accept wrongly: each pays for all.
Verdict Judge::proof_of(const Graph& small, std::size_t candidates) const {
  VerifyOptions options{.most_passes = kMostPasses, .shrink_witness = false};
  const double paid = std::log2(kMostRuns);
  options.bits += paid + std::ceil(std::log2(std::max<std::size_t>(1, candidates)));
  Verdict verdict;
  for (int run = 0; run < kMostRuns; ++run) {
    verdict = verify(small_ ? *small_ : prepared_, small, options);
    if (verdict.bits) verdict.bits = *verdict.bits - paid;
    if (verdict.outcome != Outcome::kInconclusive) break;
  }
  return verdict;
}

Verdict Judge::prove_elements(const Graph& candidate, std::size_t finalists) const {
  VerifyOptions options{.most_passes = kMostPasses, .elements = kElements, .shrink_witness = false};
  options.bits += std::ceil(std::log2(std::max<std::size_t>(1, finalists)));
  Verdict all;
  for (const Sizes& sizes : bindings_) {
    const Graph program = bind_sizes(prepared_, sizes);
    const Graph bound = bind_sizes(candidate, sizes);
    Verdict verdict = verify(program, bound, options);
    if (all.short_of_bits && verdict.outcome == Outcome::kEquivalent) {
      verdict.outcome = all.outcome;
      verdict.short_of_bits = true;
      verdict.reason = all.reason;
    }
    if (all.bits && verdict.bits) verdict.bits = std::min(*all.bits, *verdict.bits);
    verdict.elements.insert(verdict.elements.begin(), all.elements.begin(), all.elements.end());
    all = std::move(verdict);
    if (all.outcome != Outcome::kEquivalent && !all.short_of_bits) break;
  }
  return all;
}

std::optional<std::string> Judge::numeric_fault(const Recipe& recipe) const {
  NumericOptions options;
  options.budget = 2e9;
  options.dtypes.clear();
  for (const Node& node : prepared_.nodes) {
    const DType dtype = node.types[0].dtype;
    const bool emulated = dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16;
    if (emulated && node.op->name == "input" &&
        std::find(options.dtypes.begin(), options.dtypes.end(), dtype) == options.dtypes.end()) {
      options.dtypes.push_back(dtype);
    }
  }
  const std::optional<Graph> instance = candidate(recipe, numeric_);
  if (options.dtypes.empty() || !instance) return std::nullopt;
  return numeric_faults_.get(*instance, [&] {
    const NumericReport report =
        check_numeric(numeric_ ? *numeric_ : prepared_, *instance, options);
    const bool worse =
        report.outcome == NumericOutcome::kWorse || report.outcome == NumericOutcome::kOverflows;
    return worse ? std::optional(report.to_text()) : std::nullopt;
  });
}

std::optional<std::string> Judge::difference_from_reference(Program& program) const {
  const References& wanted = wanted_.get();
  for (std::size_t b = 0; b < bindings_.size(); ++b) {
    const Tolerance allowed = tolerance(prepared_, bindings_[b]);
    const std::vector<Tensor> got = program.run(inputs_[b]);
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (auto words = difference(got[i], wanted[b].outputs[i], allowed)) return words;
    }
  }
  return std::nullopt;
}

double Judge::deviation_from_reference(Program& program) const {
  const References& wanted = wanted_.get();
  double worst = 0.0;
  for (std::size_t b = 0; b < bindings_.size(); ++b) {
    const Tolerance allowed = tolerance(prepared_, bindings_[b]);
    const std::vector<Tensor> got = program.run(inputs_[b]);
    for (std::size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, deviation(got[i], wanted[b].outputs[i], allowed));
    }
  }
  return worst;
}

}  // namespace lamina::search
