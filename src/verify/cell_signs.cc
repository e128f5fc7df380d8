// The answers on which a cell rests: predicates, and which signs they may have.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "base/check.h"
#include "verify/cell_algebra.h"
#include "verify/known_function.h"

namespace lamina {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kMostDecisions = 40;  // of a path, those that follow from others included

// x >= bound or x <= bound where the bound is a small integer.
void add_bounds(std::vector<Inequality>& system, std::uint32_t atom, const Interval& range) {
  constexpr double kLargest = 1 << 30;
  const auto whole = [](double x) { return std::fabs(x) < kLargest && x == std::floor(x); };
  const LinearForm x = LinearForm::atom(atom);
  if (whole(range.low)) {
    const auto low = static_cast<std::int64_t>(range.low);
    system.push_back({*sum(x, LinearForm::integer(-low)), false});
  }
  if (whole(range.high)) {
    const auto high = static_cast<std::int64_t>(range.high);
    system.push_back({*sum(-x, LinearForm::integer(high)), false});
  }
}

// The inequalities that share an atom with the form, directly or through others.
std::vector<Inequality> connected(std::vector<Inequality> system, const LinearForm& form) {
  std::set<std::uint32_t> atoms;
  for (const auto& [atom, coefficient] : form.terms) atoms.insert(atom);
  const auto reached = [&](const Inequality& each) {
    return std::any_of(each.form.terms.begin(), each.form.terms.end(),
                       [&](const auto& term) { return atoms.contains(term.first); });
  };
  std::vector<Inequality> result;
  while (true) {
    const auto first = std::partition(system.begin(), system.end(), std::not_fn(reached));
    if (first == system.end()) return result;
    for (auto each = first; each != system.end(); ++each) {
      for (const auto& [atom, coefficient] : each->form.terms) atoms.insert(atom);
    }
    result.insert(result.end(), first, system.end());
    system.erase(first, system.end());
  }
}

Formal power(const ResidueField& field, const Formal& x, int n) {
  Formal result = x;
  for (int i = 1; i < n; ++i) result = field.multiply(result, x);
  return result;
}

void add_signs(std::vector<Inequality>& system, const LinearForm& form, SignSet signs) {
  if (!signs.has(-1)) system.push_back({form, !signs.has(0)});
  if (!signs.has(1)) system.push_back({-form, !signs.has(0)});
}

}  // namespace

SignSet first_outcome(SignSet feasible, bool split) {
  if (!split) return feasible.has(1) ? feasible & SignSet::not_negative() : feasible;
  for (const int sign : {1, 0}) {
    if (feasible.has(sign)) return SignSet::of(sign);
  }
  return feasible;
}

SignSet next_outcome(const Decision& decision) {
  if (decision.outcome.has(-1)) return {};
  const SignSet zero = decision.feasible & SignSet::of(0);
  if (decision.split && decision.outcome.has(1) && !zero.empty()) return zero;
  return decision.feasible & SignSet::of(-1);
}

// A difference of two values of one increasing function has the sign of that of the arguments.
std::optional<Formal> CellAlgebra::argument_difference(LinearForm form) const {
  if (form.terms.empty() || form.terms.size() > 2) return std::nullopt;
  const auto [first, coefficient] = form.terms[0];
  const Atom a = atoms_[first];
  if (!a.argument || a.function == kSquare) return std::nullopt;
  Formal other;
  if (form.terms.size() == 2) {
    const auto [second, opposite] = form.terms[1];
    const Atom b = atoms_[second];
    if (!b.argument || b.function != a.function || form.constant != 0 || opposite != -coefficient) {
      return std::nullopt;
    }
    other = *b.argument;
  } else {
    const KnownFunction* function = known_function(a.function);
    if (function == nullptr || form.constant != -function->value * coefficient) return std::nullopt;
    other = integer(function->argument);
  }
  return coefficient > 0 ? *a.argument - other : other - *a.argument;
}

// Factors of a product or quotient, and of x^2 - y^2, up to a factor above 0.
std::optional<std::pair<Formal, Formal>> CellAlgebra::factors_of(LinearForm form) const {
  if (form.terms.size() > 2 || form.constant != 0) return std::nullopt;
  const auto [first, coefficient] = form.terms[0];
  const Atom a = atoms_[first];
  if (form.terms.size() == 1) {
    if (!a.factors) return std::nullopt;
    const auto& [x, y] = *a.factors;
    return std::pair(x, coefficient > 0 ? y : -y);
  }
  const auto [second, opposite] = form.terms[1];
  const Atom b = atoms_[second];
  if (a.function != kSquare || b.function != kSquare || opposite != -coefficient) {
    return std::nullopt;
  }
  const Formal difference = *a.argument - *b.argument;
  return std::pair(coefficient > 0 ? difference : -difference, *a.argument + *b.argument);
}

Formal CellAlgebra::simplified(const Formal& d) const {
  Formal x = d;
  while (const auto simpler = argument_difference(at(x).form)) x = *simpler;
  return x;
}

// The signs that d may have on this cell. Whether its sign is in `asked` is decided, or the cell
// has to be split.
SignSet CellAlgebra::signs(const Formal& difference, SignSet asked) const {
  const Formal d = simplified(difference);
  const LinearForm form = at(d).form.primitive();
  if (form.is_constant()) return SignSet::of(form.leading_sign());
  // That a square is not negative is known without looking at what is squared.
  const SignSet certain = at(d).signs;
  const bool known = certain.single() || (asked.empty() && !(certain.has(-1) && certain.has(1)));
  if (const auto factors = known ? std::nullopt : factors_of(form)) {
    const SignSet each = asked.empty() ? asked : SignSet::of(0);
    const SignSet first = signs(factors->first, each);
    return lamina::product(first, signs(factors->second, each));
  }
  auto found = predicate_numbers_.find(form);
  bool turned = false;
  if (found == predicate_numbers_.end()) {
    found = predicate_numbers_.find(-form);
    turned = found != predicate_numbers_.end();
  }
  if (found == predicate_numbers_.end()) {
    found = predicate_numbers_.emplace(form, predicates_.size()).first;
    predicates_.push_back({primitive_value(d), form, is_total(form)});
    decide(d);
  }
  const std::size_t number = found->second;
  const Decision& decision = path_[number];
  const SignSet result = turned ? negated(decision.outcome) : decision.outcome;
  const bool answered = result.within(asked) || (result & asked).empty();
  if (!answered && !to_split_) to_split_ = number;
  return result;
}

// d times the number above 0 that makes its form primitive, in the field.
Formal CellAlgebra::primitive_value(const Formal& d) const {
  const LinearForm& form = at(d).form;
  const std::int64_t divisor = form.terms[0].second / form.primitive().terms[0].second;
  const Formal scaled = field_.multiply(at(d).field, field_.integer(form.denominator));
  return field_.divide(scaled, field_.integer(divisor));
}

void CellAlgebra::decide(const Formal& d) const {
  const LinearForm& form = predicates_.back().form;
  const std::size_t most = at_a_point_ ? kMostValues : kMostDecisions;
  const std::size_t number = predicates_.size() - 1;
  SignSet feasible = at_a_point_ ? at(d).signs : feasible_signs();
  if (feasible.empty()) {
    if (!infeasible_) infeasible_ = number;
    feasible = SignSet::all();
  }
  if (at_a_point_ && (!feasible.single() || feasible.has(0))) undecided_ = true;
  if (number < path_.size()) {
    const Decision& given = path_[number];
    if ((given.outcome & feasible).empty() && !infeasible_) infeasible_ = number;
    in_step_ = in_step_ && given.feasible == feasible;
  } else {
    if (number == most) {
      fail(ErrorCode::kUnsupported, "there are too many branches for a look at the cells");
    }
    path_.push_back({first_outcome(feasible, false), feasible, false});
  }
  const bool of_inputs = std::all_of(form.terms.begin(), form.terms.end(), [&](const auto& term) {
    return term.first < input_elements_;
  });
  if (of_inputs && path_[number].outcome == SignSet::of(0) && !tie_) tie_ = {number, form};
}

bool CellAlgebra::is_total(const LinearForm& form) const {
  return std::all_of(form.terms.begin(), form.terms.end(),
                     [&](const auto& term) { return atoms_[term.first].total; });
}

SignSet CellAlgebra::signs_by_range(const LinearForm& form) const {
  const auto number = [](std::int64_t n) {
    const auto x = static_cast<double>(n);
    return Interval{std::nextafter(x, -kInfinity), std::nextafter(x, kInfinity)};
  };
  if (form.terms.size() == 1 && form.constant == 0) {
    const SignSet signs = atoms_[form.terms[0].first].signs;
    return form.terms[0].second > 0 ? signs : negated(signs);
  }
  Interval range = form.constant == 0 ? Interval{} : number(form.constant);
  for (const auto& [atom, coefficient] : form.terms) {
    range = range + number(coefficient) * atoms_[atom].range;
  }
  return signs_of(range);
}

// Of the newest predicate, with the answers before it.
SignSet CellAlgebra::feasible_signs() const {
  const Predicate& newest = predicates_.back();
  if (!newest.total) return SignSet::all();
  SignSet feasible = signs_by_factors(newest.value, signs_by_range(newest.form));
  std::vector<Inequality> system = given_;
  for (std::size_t k = 0; k + 1 < predicates_.size(); ++k) {
    if (predicates_[k].total) add_signs(system, predicates_[k].form, path_[k].outcome);
  }
  add_facts_of_atoms(system, newest.form);
  system = connected(system, newest.form);
  for (const int sign : kSigns) {
    if (!feasible.has(sign)) continue;
    std::vector<Inequality> with = system;
    add_signs(with, newest.form, SignSet::of(sign));
    if (solve(with).infeasible) feasible = feasible - SignSet::of(sign);
  }
  return feasible;
}

// What the atoms that occur are known to be, wherever the cell lies.
void CellAlgebra::add_facts_of_atoms(std::vector<Inequality>& system,
                                     const LinearForm& form) const {
  std::set<std::uint32_t> occurring;
  for (const auto& [atom, coefficient] : form.terms) occurring.insert(atom);
  for (const Inequality& each : system) {
    for (const auto& [atom, coefficient] : each.form.terms) occurring.insert(atom);
  }
  for (const std::uint32_t number : occurring) {
    const Atom& atom = atoms_[number];
    if (!atom.value) continue;  // an input element that is a linear form of others
    add_signs(system, LinearForm::atom(number), atom.signs);
    add_bounds(system, number, atom.range);
  }
}

// If d u = v or d = u v, up to the sign, and the signs of u and v are known, so is that of d. In
// the field.
SignSet CellAlgebra::signs_by_factors(const Formal& value, SignSet feasible) const {
  constexpr std::size_t kMostFactors = 24;
  std::vector<std::pair<Formal, SignSet>> known;
  for (std::size_t k = 0; k + 1 < predicates_.size() && known.size() < kMostFactors; ++k) {
    if (!predicates_[k].total) continue;
    known.emplace_back(predicates_[k].value, path_[k].outcome);
  }
  for (const Atom& atom : atoms_) {
    if (known.size() == kMostFactors) break;
    if (!atom.value || !atom.total || atom.signs == SignSet::all()) continue;
    known.emplace_back(at(*atom.value).field, atom.signs);
  }
  // Keeps the signs of d with which left and right = +-left may have the same sign.
  const auto compare = [&](const Formal& left, const Formal& right, auto left_signs,
                           SignSet right_signs) {
    factor_tests_ += 2.0;
    const bool equal = field_.certainly_equal(left, right);
    if (!equal && !field_.certainly_equal(field_.negate(left), right)) return;
    SignSet possible;
    for (const int sign : kSigns) {
      const SignSet signs = left_signs(SignSet::of(sign));
      const SignSet met = (equal ? signs : negated(signs)) & right_signs;
      if (!met.empty()) possible = possible | SignSet::of(sign);
    }
    feasible = feasible & possible;
  };
  const auto same = [](SignSet s) { return s; };
  for (int n = 2; n <= kHighestPower; ++n) {
    const auto power_signs = [n](SignSet s) { return n % 2 == 0 ? lamina::product(s, s) : s; };
    const Formal raised = power(field_, value, n);
    for (const auto& [v, signs_v] : known) {
      compare(raised, v, power_signs, signs_v);
      compare(value, power(field_, v, n), same, power_signs(signs_v));
    }
  }
  for (const auto& [u, signs_u] : known) {
    const Formal du = field_.multiply(value, u);
    for (const auto& [v, signs_v] : known) {
      compare(
          du, v, [&](SignSet s) { return lamina::product(s, signs_u); }, signs_v);
      compare(value, field_.multiply(u, v), same, lamina::product(signs_u, signs_v));
    }
  }
  return feasible;
}

std::vector<Inequality> CellAlgebra::inequalities(std::size_t count) const {
  std::vector<Inequality> system = given_;
  for (std::size_t k = 0; k < count; ++k) {
    const LinearForm& form = predicates_[k].form;
    const bool of_inputs = std::all_of(form.terms.begin(), form.terms.end(), [&](const auto& term) {
      return term.first < input_elements_;
    });
    if (of_inputs) add_signs(system, form, path_[k].outcome);
  }
  return system;
}

}  // namespace lamina
