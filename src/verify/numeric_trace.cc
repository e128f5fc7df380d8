// Errors and infinities, node by node.
#include "verify/numeric_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graph/op_def.h"

namespace lamina {
namespace {

bool is_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
}

bool is_defined(const std::vector<double>& values) {
  return std::none_of(values.begin(), values.end(), [](double x) { return std::isnan(x); });
}

// The largest error relative to the value and the mean size of the tensor.
double relative_error(const std::vector<double>& got, const std::vector<double>& want) {
  double sum = 0.0;
  for (const double x : want) sum += std::isfinite(x) ? std::fabs(x) : 0.0;
  const double mean = want.empty() ? 0.0 : sum / static_cast<double>(want.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!std::isfinite(got[i]) || !std::isfinite(want[i]) || got[i] == want[i]) continue;
    worst = std::max(worst, std::fabs(got[i] - want[i]) / (std::fabs(want[i]) + mean));
  }
  return worst;
}

bool same_sizes(const std::vector<std::vector<double>>& a,
                const std::vector<std::vector<double>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.size() == y.size(); });
}

// The first element that became infinite or undefined in this node: which output, which element.
// Masks are infinite in the exact run, too.
std::optional<std::pair<std::size_t, std::size_t>> first_bad(const Visit& rounded,
                                                             const Visit& exact) {
  const auto all = [&](bool (*holds)(const std::vector<double>&)) {
    return std::all_of(rounded.inputs.begin(), rounded.inputs.end(), holds);
  };
  const bool finite_inputs = all(is_finite);
  const bool defined_inputs = all(is_defined);
  for (std::size_t k = 0; k < rounded.outputs.size(); ++k) {
    for (std::size_t i = 0; i < rounded.outputs[k].size(); ++i) {
      const double x = rounded.outputs[k][i];
      if (std::isfinite(x)) continue;
      const bool new_nan = defined_inputs && std::isnan(x);
      if (finite_inputs || new_nan || std::isfinite(exact.outputs[k][i])) return std::pair(k, i);
    }
  }
  return std::nullopt;
}

// "exp 'e' of 95.3 is inf"; operands of another shape are left out.
std::string describe(const Visit& visit, std::size_t output, std::size_t element) {
  const std::vector<double>& result = visit.outputs[output];
  std::string operands;
  for (const std::vector<double>& input : visit.inputs) {
    if (input.size() != result.size()) continue;
    operands += (operands.empty() ? " of " : " and ") + in_words(input[element]);
  }
  return fmt::format("{}{} is {}", visit.place, operands, in_words(result[element]));
}

}  // namespace

std::string in_words(double x) { return std::isnan(x) ? "nan" : fmt::format("{:.6g}", x); }

std::string Trail::place() const {
  std::string text;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    const Node& node = *steps_[i].first;
    text += fmt::format("{}{} '{}'", text.empty() ? "" : " in ", node.op->name, node.name);
  }
  return text;
}

void Trace::compare(const Visit& rounded) {
  if (next_ >= exact_.size()) return;
  const Visit& exact = exact_[next_];
  if (exact.place != rounded.place || !same_sizes(exact.outputs, rounded.outputs) ||
      !same_sizes(exact.inputs, rounded.inputs)) {
    next_ = exact_.size();
    return;
  }
  ++next_;
  if (first_not_finite_.empty()) {
    if (const auto at = first_bad(rounded, exact)) {
      first_not_finite_ = describe(rounded, at->first, at->second);
    }
  }
  Growth growth{rounded.place, 0.0, 0.0};
  for (std::size_t k = 0; k < exact.inputs.size(); ++k) {
    growth.before = std::max(growth.before, relative_error(rounded.inputs[k], exact.inputs[k]));
  }
  for (std::size_t k = 0; k < exact.outputs.size(); ++k) {
    growth.after = std::max(growth.after, relative_error(rounded.outputs[k], exact.outputs[k]));
  }
  growths_.push_back(std::move(growth));
}

std::optional<Trace::Growth> Trace::worst_growth(double unit, double tolerance) const {
  std::optional<Growth> worst;
  double most = 0.0;
  for (const Growth& growth : growths_) {
    const double factor = growth.after / std::max(growth.before, unit);
    if (growth.after <= tolerance || factor <= most) continue;
    most = factor;
    worst = growth;
  }
  return worst;
}

}  // namespace lamina
