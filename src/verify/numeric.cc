// The numerical verdict (docs/numerics.md, "Comparing programs").
#include "lamina/numeric.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "verify/numeric_inputs.h"
#include "verify/numeric_measure.h"
#include "verify/numeric_ranges.h"
#include "verify/numeric_types.h"
#include "verify/signature.h"

namespace lamina {
namespace {

// How bad an outcome is.
int rank(NumericOutcome outcome) {
  switch (outcome) {
    case NumericOutcome::kFine:
      return 0;
    case NumericOutcome::kInconclusive:
      return 1;
    case NumericOutcome::kWorse:
      return 2;
    case NumericOutcome::kOverflows:
      return 3;
  }
  return 3;
}

void check_options(const Graph& graph, const NumericOptions& options) {
  require(!options.dtypes.empty(), "a numerical comparison needs a dtype");
  for (const DType dtype : options.dtypes) {
    const bool known = dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16;
    require(known, "programs are compared in f32, bf16 or f16, not in {}", traits(dtype).name);
  }
  require(!options.distributions.empty(), "a numerical comparison needs a distribution of inputs");
  for (const auto& [name, range] : options.ranges) {
    const Value value = graph.find(name);
    require(graph.input(value.node) != nullptr, "'{}' has a range but is no input", name);
    require(traits(graph.type(value).dtype).is_float, "'{}' has a range but is no float", name);
    require(range.low <= range.high, "the range of '{}' is empty: {} to {}", name, range.low,
            range.high);
  }
}

// Small sizes that differ from each other where their ranges allow.
Sizes chosen_sizes(const Graph& a, const Graph& b, const Sizes& given) {
  constexpr std::int64_t kTypical = 12;
  Sizes sizes;
  std::int64_t step = 0;
  for (const Graph* graph : {&a, &b}) {
    for (const SizeRange& size : graph->sizes) {
      if (sizes.contains(size.name)) continue;
      const auto found = given.find(size.name);
      sizes[size.name] =
          found != given.end() ? found->second : std::clamp(kTypical + step++, size.min, size.max);
    }
  }
  for (const auto& [name, value] : given) {
    require(sizes.contains(name), "the programs have no size '{}'", name);
  }
  return sizes;
}

Graph bound(const Graph& graph, const Sizes& sizes) {
  Sizes own;
  for (const SizeRange& size : graph.sizes) own[size.name] = sizes.at(size.name);
  return bind_sizes(graph, own);
}

std::vector<Range> ranges_of(const std::vector<NumericInput>& inputs) {
  std::vector<Range> ranges;
  for (const NumericInput& input : inputs) {
    const bool real = traits(input.dtype).is_float;
    ranges.push_back(Range::of(
        real ? Interval{input.range.low, input.range.high}
             : Interval{static_cast<double>(input.first), static_cast<double>(input.last)}));
  }
  return ranges;
}

std::string_view operator_of(const Hazard& hazard) {
  return std::string_view(hazard.place).substr(0, hazard.place.find(' '));
}

std::vector<Hazard> compare_hazards(const NumericPair& pair) {
  const std::vector<Range> ranges = ranges_of(pair.inputs);
  const std::vector<Hazard> usual = range_hazards(pair.reference, ranges);
  std::vector<Hazard> hazards = range_hazards(pair.candidate, ranges);
  for (Hazard& hazard : hazards) {
    hazard.in_reference = std::any_of(usual.begin(), usual.end(), [&](const Hazard& other) {
      return other.kind == hazard.kind && operator_of(other) == operator_of(hazard);
    });
  }
  return hazards;
}

double count_input_elements(const Graph& graph) {
  double total = 0.0;
  for (const Input& input : graph.inputs) {
    double elements = 1.0;
    for (const Dim& dim : graph.type({input.node, 0}).shape) {
      elements *= static_cast<double>(dim.evaluate({}));
    }
    total += elements;
  }
  return total;
}

NumericTypeReport check_type(NumericPair pair, const NumericOptions& options, double& budget) {
  const double elements = count_input_elements(pair.reference);
  if (elements > budget) {
    return {.dtype = pair.dtype,
            .reason = fmt::format("the inputs have {:.2g} elements, the budget is {:.2g}", elements,
                                  budget),
            .skipped = options.distributions};
  }
  pair.inputs = numeric_inputs(pair.reference, pair.candidate, options);
  try {
    NumericTypeReport report = measure(pair, options, budget);
    report.hazards = compare_hazards(pair);
    return report;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    NumericTypeReport report;
    report.dtype = pair.dtype;
    report.reason = error.what();
    return report;
  }
}

}  // namespace

NumericReport check_numeric(const Graph& reference, const Graph& candidate,
                            const NumericOptions& options) {
  validate(reference);
  validate(candidate);
  require_same_signature(reference, candidate, options.match_names);
  check_options(reference, options);
  NumericReport report;
  report.seed = options.seed;
  report.sizes = chosen_sizes(reference, candidate, options.sizes);
  const Graph a = bound(reference, report.sizes);
  const Graph b = bound(candidate, report.sizes);
  const auto home = home_dtype(a);
  double budget = options.budget;
  for (const DType dtype : options.dtypes) {
    if (!home) {
      report.types.push_back({.dtype = dtype, .reason = "the programs compute no floats"});
    } else {
      const NumericPair pair{retype(a, *home, dtype), retype(b, *home, dtype), dtype, {}};
      report.types.push_back(check_type(pair, options, budget));
    }
    const NumericOutcome outcome = report.types.back().outcome;
    if (rank(outcome) > rank(report.outcome)) report.outcome = outcome;
  }
  return report;
}

}  // namespace lamina
