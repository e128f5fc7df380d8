// Majorants of roots, and of the tests that expressed them by others.
#include "verify/root_bounds.h"

#include <algorithm>
#include <string>

#include "num/root_rules.h"

namespace lamina {
namespace {

// Without exponentials there is one term.
Polynomial trimmed(Polynomial x) {
  if (x.exponentials == 0.0) x.terms = 0.0;
  return x;
}

// Nothing is marked: the sums of logarithms are those of the tape.
Formal unmarked(const Algebra& algebra, const Formal& x) {
  Formal result = algebra.forget(x);
  result.q = {};
  return result;
}

}  // namespace

// A test compares x with (n / d) times up to six factors or their reciprocals, n and d below 2^12.
void RootBounds::note_test(const Formal& operand, double tests) const {
  const Fraction& x = fraction(operand);
  Polynomial compared = trimmed(x.numerator + denominator(x)) * Polynomial{0.0, 12.0};
  for (int i = 0; i < 6; ++i) compared = compared * factor_;
  tested_ = larger(tested_, compared);
  tests_ += tests;
}

void RootBounds::note_factor(const Formal& x) const {
  factor_ = larger(factor_, trimmed(larger(fraction(x).numerator, denominator(fraction(x)))));
}

const RootTape::Step* RootBounds::next_step(std::string_view function,
                                            const Formal& operand) const {
  if (next_step_ == tape_.steps.size() || tape_.steps[next_step_].function != function) {
    in_step_ = false;
    return nullptr;
  }
  const RootTape::Step& step = tape_.steps[next_step_++];
  note_test(operand, step.tests);
  return &step;
}

// s^2 = G/H is (s H)^2 = G H, and s^3 = G/H is (s H)^3 = G H^2. Every power of s H is reduced to a
// polynomial no larger than as many factors G H or G H^2. The one degree more is for exponents,
// where products of symbols are variables.
Formal RootBounds::symbol(const RootTape::Made& made, const Formal& operand) const {
  const Formal radicand = made.prime == 0 ? operand : integer(made.prime);
  const Fraction g = fraction(radicand);
  note_factor(radicand);
  Polynomial size = g.numerator;
  for (int i = 1; i < made.order; ++i) size = size * denominator(g);
  size.degree += 1.0;
  size.zero = false;
  return with_fraction(unmarked(*this, new_leaf()), {trimmed(size), g.divisors});
}

Formal RootBounds::positive_input(const Formal& root) const {
  const Formal x = positive(root);
  for (const int order : {2, 3}) {
    symbols_.push_back(integer_power(*this, root, kRootOrder / order));
  }
  log(root);
  note_factor(x);
  return x;
}

Formal RootBounds::root(int order, const Formal& x) const {
  const RootTape::Step* step = next_step("root " + std::to_string(order), x);
  if (step == nullptr || step->opaque) {
    return BoundAlgebra::fresh("root " + std::to_string(order), {&x, 1});
  }
  for (const RootTape::Made& made : step->made) symbols_.push_back(symbol(made, x));
  return root_of_step(*this, *step, symbols_);
}

Formal RootBounds::log(const Formal& x) const {
  const RootTape::Step* step = next_step("log", x);
  if (step == nullptr) return BoundAlgebra::fresh("log", {&x, 1});
  for (const RootTape::Made& made : step->made) {
    log_arguments_.push_back(made.prime == 0 ? x : integer(made.prime));
    note_factor(log_arguments_.back());
    logs_.push_back(remember_log(new_leaf(), log_arguments_.back()));
    note_factor(logs_.back());
  }
  const bool one = step->parts.size() == 1 && step->parts[0].second == 1 && step->exponents.empty();
  return one ? logs_[step->parts[0].first]
             : unmarked(*this, log_of_step(*this, *step, logs_, arguments_));
}

Formal RootBounds::fresh(std::string_view name, std::span<const Formal> operands) const {
  const auto exact = function_by_roots(*this, name, operands);
  return exact ? *exact : BoundAlgebra::fresh(name, operands);
}

Formal RootBounds::greatest(std::span<const Formal> operands) const {
  return greatest_by_roots(*this, operands);
}

Formal RootBounds::exponential(const Formal& x, bool turned) const {
  const std::size_t number = arguments_.size();
  arguments_.push_back(x);
  if (number >= tape_.exponentials.size()) {
    in_step_ = false;
    return BoundAlgebra::exponential(x, turned);
  }
  note_test(x, static_cast<double>(logs_.size()));
  const auto& logs = tape_.exponentials[number];
  Formal rest = unmarked(*this, x);
  for (const auto& [log, coefficient] : logs) {
    rest = rest - unmarked(*this, rational(*this, coefficient) * logs_[log]);
  }
  Formal result = BoundAlgebra::exponential(rest, turned);
  for (const auto& [log, coefficient] : logs) {
    result = result * rational_power(*this, log_arguments_[log], coefficient);
  }
  note_factor(result);
  return unmarked(*this, result);
}

bool RootBounds::in_step() const {
  return in_step_ && next_step_ == tape_.steps.size() &&
         arguments_.size() == tape_.exponentials.size();
}

}  // namespace lamina
