// Proving and comparing candidates.
#include "search/judge.h"

#include <algorithm>
#include <cmath>

#include "graph/tolerance.h"
#include "lamina/bench.h"

namespace lamina::search {
namespace {

constexpr std::int64_t kSmallExtent = 8;  // dimensions of the instances that are proved

}  // namespace

std::vector<Sizes> choose_bindings(const Graph& graph, std::int64_t largest) {
  if (graph.sizes.empty()) return {Sizes{}};
  Sizes low, middle, high;
  for (const SizeRange& range : graph.sizes) {
    const std::int64_t top = std::clamp(largest, range.min, range.max);
    low[range.name] = range.min;
    middle[range.name] = static_cast<std::int64_t>(std::sqrt(
        static_cast<double>(std::max<std::int64_t>(1, range.min)) * static_cast<double>(top)));
    middle[range.name] = std::clamp(middle[range.name], range.min, top);
    high[range.name] = top;
  }
  std::vector<Sizes> bindings = {low};
  if (middle != low) bindings.push_back(middle);
  if (high != middle) bindings.push_back(high);
  return bindings;
}

Judge::Judge(const Graph& prepared, std::vector<Sizes> bindings, std::uint64_t seed)
    : prepared_(prepared),
      small_(shrink_sizes(prepared, kSmallExtent)),
      bindings_(std::move(bindings)) {
  const auto reference = compile(prepared, find_device("ref"));
  for (const Sizes& sizes : bindings_) {
    inputs_.push_back(random_inputs(prepared, sizes, seed));
    wanted_.push_back(reference->run(inputs_.back()));
  }
}

Verdict Judge::prove(const Recipe& recipe) const {
  const Graph& instance = small_ ? *small_ : prepared_;
  const std::optional<Graph> candidate =
      apply(instance, small_ ? shrink(recipe, prepared_, *small_) : recipe);
  if (candidate) return verify(instance, *candidate);
  Verdict verdict;
  verdict.reason = "the candidate has no small instance";
  return verdict;
}

std::optional<std::string> Judge::difference_from_reference(Program& program) const {
  for (std::size_t b = 0; b < bindings_.size(); ++b) {
    const Tolerance allowed = tolerance(prepared_, bindings_[b]);
    const std::vector<Tensor> got = program.run(inputs_[b]);
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (auto words = difference(got[i], wanted_[b][i], allowed)) return words;
    }
  }
  return std::nullopt;
}

}  // namespace lamina::search
