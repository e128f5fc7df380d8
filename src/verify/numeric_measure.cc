// Errors and overflows of a candidate beside those of the reference.
#include "verify/numeric_measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "graph/real_domain.h"
#include "graph/tolerance.h"
#include "lamina/bench.h"
#include "verify/evaluate.h"
#include "verify/numeric_run.h"
#include "verify/numeric_types.h"

namespace lamina {
namespace {

constexpr double kAllowedRatio = 4.0;
// A node's bound costs about this many times what its value costs.
constexpr double kBoundCost = 8.0;

// Samples that take more than this share of the budget are dear.
constexpr double kDearShare = 0.002;

// Whether later samples differ from the first by their random numbers alone.
bool is_repetition(Distribution distribution) {
  return distribution != Distribution::kCorner && distribution != Distribution::kMasked;
}

struct OutputShape {
  std::string name;
  Shape shape;
  bool is_float = false;  // others are not compared
};

std::vector<OutputShape> output_shapes(const Graph& graph) {
  std::vector<OutputShape> outputs;
  const std::vector<std::string> names = value_names(graph);
  const auto add = [&](const Type& type) {
    outputs.push_back(
        {names[outputs.size()], evaluate(type.shape, {}), traits(type.dtype).is_float});
  };
  for (const Output& output : graph.outputs) add(graph.type(output.value));
  for (const Input& input : graph.inputs) {
    if (input.role == Role::kState) add(graph.type({input.node, 0}));
  }
  return outputs;
}

bool holds_nan(const NumericResults& results) {
  return std::any_of(results.begin(), results.end(), [](const std::vector<double>& values) {
    return std::any_of(values.begin(), values.end(), [](double x) { return std::isnan(x); });
  });
}

// One element in the three runs.
struct Element {
  double want;
  double reference;
  double candidate;
};

class Measurement {
 public:
  Measurement(const NumericPair& pair, const NumericOptions& options, double& budget)
      : pair_(pair),
        options_(options),
        budget_(budget),
        outputs_(output_shapes(pair.reference)),
        unit_(unit_roundoff(pair.dtype)),
        cost_(2.0 * count_work(pair.reference, {}).flops + count_work(pair.candidate, {}).flops) {
    report_.dtype = pair.dtype;
    report_.tolerance = tolerance(pair.reference).relative();
  }

  NumericTypeReport run() {
    for (const Distribution distribution : options_.distributions) measure(distribution);
    for (const Row& row : rows_) report_.errors.push_back(row.errors);
    decide();
    add_bounds();
    return std::move(report_);
  }

 private:
  struct Row {
    NumericErrors errors;
    int worst_sample = 0;
  };

  bool afford(double cost) {
    if (cost > budget_) return false;
    budget_ -= cost;
    return true;
  }

  NumericSample draw(Distribution distribution, int index) const {
    return draw_sample(pair_.inputs, distribution, index, options_.seed);
  }

  void measure(Distribution distribution) {
    const int samples = sample_count(distribution, pair_.inputs);
    if (samples == 0) return;
    Row row;
    row.errors.distribution = distribution;
    for (int index = 0; index < samples; ++index) {
      // A second sample of the same kind shows little that is new.
      const bool dear = index > 0 && cost_ > options_.budget * kDearShare;
      if ((dear && is_repetition(distribution)) || !afford(cost_)) break;
      ++row.errors.samples;
      const NumericErrors here = compare(distribution, index);
      if (here.candidate > row.errors.candidate) row.worst_sample = index;
      row.errors.reference = std::max(row.errors.reference, here.reference);
      row.errors.candidate = std::max(row.errors.candidate, here.candidate);
      row.errors.compared += here.compared;
      row.errors.undefined += here.undefined;
      row.errors.overflowed += here.overflowed;
    }
    if (row.errors.samples == 0) return report_.skipped.push_back(distribution);
    rows_.push_back(row);
  }

  NumericErrors compare(Distribution distribution, int index) {
    NumericErrors errors;
    const NumericSample sample = draw(distribution, index);
    const NumericResults want = run_exact(pair_.reference, sample);
    // Masks are for programs that bear them.
    if (distribution == Distribution::kMasked && holds_nan(want)) return errors;
    const NumericResults reference = run_rounded(pair_.reference, sample);
    const NumericResults candidate = run_rounded(pair_.candidate, sample);
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      if (!outputs_[k].is_float) continue;
      const std::vector<double> scales = error_scales(want[k], outputs_[k].shape);
      for (std::size_t i = 0; i < want[k].size(); ++i) {
        const Element element{want[k][i], reference[k][i], candidate[k][i]};
        const bool overflowed = add(element, scales[i], errors);
        if (!overflowed || report_.witness) continue;
        report_.witness = witness(sample, element);
        report_.witness->distribution = distribution;
        report_.witness->sample = index;
        report_.witness->output = outputs_[k].name;
        report_.witness->element = static_cast<std::int64_t>(i);
      }
    }
    return errors;
  }

  // True when only the candidate is not finite there.
  bool add(const Element& x, double scale, NumericErrors& errors) const {
    if (!std::isfinite(x.reference) || !std::isfinite(x.want)) {
      ++errors.undefined;
      return false;
    }
    if (!std::isfinite(x.candidate)) {
      ++errors.overflowed;
      return true;
    }
    ++errors.compared;
    // A result below the normal numbers is known to within a step only.
    const double step = smallest_step(pair_.dtype);
    const auto error = [&](double got) {
      const double off = std::fabs(got - x.want) - step;
      return off <= 0.0 ? 0.0 : off / scale;
    };
    errors.reference = std::max(errors.reference, error(x.reference));
    errors.candidate = std::max(errors.candidate, error(x.candidate));
    return false;
  }

  NumericWitness witness(const NumericSample& sample, const Element& values) const {
    NumericWitness witness;
    for (std::size_t i = 0; i < sample.size(); ++i) {
      const Input& input = pair_.reference.inputs[i];
      const Node& node = pair_.reference.nodes[static_cast<std::size_t>(input.node)];
      witness.input_names.push_back(node.name);
      const DType dtype = is_packed(sample[i].dtype) ? DType::kF32 : sample[i].dtype;
      witness.inputs.push_back(to_tensor(sample[i], dtype));
    }
    witness.want = values.want;
    witness.reference = values.reference;
    witness.candidate = values.candidate;
    return witness;
  }

  double ratio(const NumericErrors& errors) const {
    return errors.candidate / std::max(errors.reference, unit_);
  }
  bool failed(const NumericErrors& errors) const {
    return ratio(errors) > kAllowedRatio && errors.candidate > report_.tolerance;
  }

  void settle(NumericOutcome outcome, std::string reason) {
    report_.outcome = outcome;
    report_.reason = std::move(reason);
  }

  void decide() {
    const Row* worst = nullptr;
    std::int64_t compared = 0;
    for (const Row& row : rows_) {
      compared += row.errors.compared;
      if (worst == nullptr || ratio(row.errors) > ratio(worst->errors)) worst = &row;
    }
    for (const Row& row : rows_) {
      if (failed(row.errors) && !failed(worst->errors)) worst = &row;
    }
    if (report_.witness) {
      settle(NumericOutcome::kOverflows, overflow_reason(*report_.witness));
    } else if (worst == nullptr) {
      settle(NumericOutcome::kInconclusive,
             fmt::format("a sample takes {:.2g} operations, the budget is {:.2g}", cost_, budget_));
    } else if (compared == 0) {
      settle(NumericOutcome::kInconclusive, "no float output of the reference was finite");
    } else if (failed(worst->errors)) {
      decide_worse(*worst);
    } else {
      settle(NumericOutcome::kFine, summary(worst->errors));
    }
  }

  std::string summary(const NumericErrors& errors) const {
    return fmt::format("error {:.2g}, reference {:.2g}, tolerance {:.2g} ({} inputs)",
                       errors.candidate, errors.reference, report_.tolerance,
                       to_string(errors.distribution));
  }

  // Runs the candidate again, once exactly and once rounded, node by node.
  Trace trace_candidate(Distribution distribution, int index) const {
    const NumericSample sample = draw(distribution, index);
    Trace trace;
    run_exact(pair_.candidate, sample, &trace);
    run_rounded(pair_.candidate, sample, &trace);
    return trace;
  }

  std::string overflow_reason(const NumericWitness& witness) const {
    const Trace trace = trace_candidate(witness.distribution, witness.sample);
    const std::string& where = trace.first_not_finite();
    return fmt::format("{}{}element {} of '{}' is {}, the reference gives {:.6g} ({} inputs)",
                       where, where.empty() ? "" : ", so ", witness.element, witness.output,
                       in_words(witness.candidate), witness.reference,
                       to_string(witness.distribution));
  }

  void decide_worse(const Row& row) {
    const Distribution distribution = row.errors.distribution;
    const double apart = exact_difference(draw(distribution, row.worst_sample));
    if (apart > row.errors.candidate / kAllowedRatio) {
      settle(NumericOutcome::kInconclusive,
             fmt::format("the programs differ by {:.2g} without any rounding ({} inputs)", apart,
                         to_string(distribution)));
      return;
    }
    const Trace trace = trace_candidate(distribution, row.worst_sample);
    const auto growth = trace.worst_growth(unit_, report_.tolerance);
    settle(NumericOutcome::kWorse,
           summary(row.errors) + (growth ? fmt::format("; it grows from {:.2g} to {:.2g} in {}",
                                                       growth->before, growth->after, growth->place)
                                         : ""));
  }

  double exact_difference(const NumericSample& sample) const {
    const NumericResults want = run_exact(pair_.reference, sample);
    const NumericResults got = run_exact(pair_.candidate, sample);
    double worst = 0.0;
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      if (!outputs_[k].is_float) continue;
      const std::vector<double> scales = error_scales(want[k], outputs_[k].shape);
      for (std::size_t i = 0; i < want[k].size(); ++i) {
        const double off = std::fabs(got[k][i] - want[k][i]);
        if (std::isfinite(off) && off > 0.0) worst = std::max(worst, off / scales[i]);
      }
    }
    return worst;
  }

  void add_bounds() {
    if (rows_.empty() || !afford(kBoundCost * cost_)) return;
    const NumericSample sample = draw(Distribution::kNormal, 0);
    report_.reference_bound = bound(run_bounded(pair_.reference, sample));
    report_.candidate_bound = bound(run_bounded(pair_.candidate, sample));
  }

  double bound(const BoundedResults& results) const {
    double worst = 0.0;
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      if (!outputs_[k].is_float) continue;
      const std::vector<double> scales = error_scales(results.values[k], outputs_[k].shape);
      for (std::size_t i = 0; i < scales.size(); ++i) {
        const double error = results.errors[k][i];
        if (error > 0.0) worst = std::max(worst, error / scales[i]);
      }
    }
    return worst;
  }

  const NumericPair& pair_;
  const NumericOptions& options_;
  double& budget_;
  std::vector<OutputShape> outputs_;
  double unit_;
  double cost_;  // of one sample
  std::vector<Row> rows_;
  NumericTypeReport report_;
};

}  // namespace

NumericTypeReport measure(const NumericPair& pair, const NumericOptions& options, double& budget) {
  return Measurement(pair, options, budget).run();
}

}  // namespace lamina
