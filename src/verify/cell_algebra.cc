// Values of a cell: residues, majorants, ranges, signs and linear forms side by side.
#include "verify/cell_algebra.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>

#include "base/check.h"
#include "verify/error_bound.h"

namespace lamina {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Interval kLine{-kInfinity, kInfinity};
constexpr std::size_t kMostValues = std::size_t{1} << 19;
constexpr int kHighestPower = 4;  // of a value that is compared with others
constexpr std::string_view kSquare = "square";
constexpr std::size_t kMostDecisions = 40;  // those that follow from others included

std::uint64_t next_word(void* random) { return static_cast<SecretRandom*>(random)->word(); }

// What is known of the functions that become fresh variables. An increasing one takes the value
// `value` at `argument` only.
struct KnownFunction {
  std::string_view name;
  Interval (*range)(const Interval&);
  SignSet domain;  // signs of arguments at which it is certainly defined
  bool increasing = false;
  std::int64_t value = 0;
  std::int64_t argument = 0;
};

const KnownFunction* known_function(std::string_view name) {
  constexpr SignSet kAny = SignSet::all();
  constexpr SignSet kSome = SignSet();
  static constexpr KnownFunction kFunctions[] = {
      {"exp", exp, kAny, true, 1, 0},
      {"log", log, SignSet::of(1), true, 0, 1},
      {"sqrt", sqrt, SignSet::not_negative(), true, 0, 0},
      {"erf", erf, kAny, true, 0, 0},
      {"asin", asin, kSome, true, 0, 0},
      {"atan", atan, kAny, true, 0, 0},
      {"asinh", asinh, kAny, true, 0, 0},
      {"acosh", acosh, kSome, true, 0, 1},
      {"atanh", atanh, kSome, true, 0, 0},
      {"acos", acos, kSome},
      {"sin", sin, kAny},
      {"cos", cos, kAny},
      {"floor", floor, kAny},
      {"round", round, kAny},
      {"trunc", trunc, kAny},
  };
  const auto* found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                   [&](const KnownFunction& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

bool is_atom(const LinearForm& form) {
  return form.terms.size() == 1 && form.terms[0].second == 1 && form.constant == 0 &&
         form.denominator == 1;
}

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

std::size_t CellAlgebra::ResiduesHash::operator()(const Residues& residues) const {
  std::uint64_t hash = 0;
  for (const std::uint64_t word : residues) hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 32);
}

CellAlgebra::CellAlgebra(Setting setting)
    : pairs_(setting.pairs),
      profile_(setting.profile),
      input_elements_(setting.input_elements),
      given_(std::move(setting.given)),
      at_a_point_(setting.at_a_point),
      path_(std::move(setting.path)),
      field_(pairs_, next_word, &setting.random),
      atoms_(setting.input_elements) {
  bounds_.set_imaginary(profile_.imaginary);
  bounds_.set_input_count(static_cast<std::uint32_t>(input_elements_));
  largest_numerator_.zero = true;
}

Formal CellAlgebra::free_input(std::uint32_t element, const InputFacts& facts,
                               const Interval& range) {
  const bool positive_root = facts.low >= 0.0;
  Entry entry{field_.random(), bounds_.variable(element), range, SignSet::all(), {}};
  if (positive_root) {
    entry.range = kLine;
    entry.signs = SignSet::of(1);
  }
  Formal x = made(std::move(entry),
                  positive_root ? std::nullopt : std::optional(LinearForm::atom(element)));
  if (positive_root) {
    const Formal root = x;
    x = positive(root);
    entries_[x.p[0]].form = LinearForm::atom(element);
    entries_[x.p[0]].range = range;
    Formal power = root;
    for (std::int64_t n = 1; n < kRootOrder; ++n, power = multiply(power, root)) {
      name_atom(power, "power " + std::to_string(n), x);
    }
  }
  Entry& known = entries_[x.p[0]];
  known.signs = signs_of(range);
  if (facts.low >= 0.0) known.signs = known.signs & SignSet::of(1);
  if (facts.high <= 0.0) known.signs = known.signs & SignSet::of(-1);
  atoms_[element] = {known.signs, range, true, {}, {}, {}, x};
  return x;
}

Formal CellAlgebra::bound_input(const LinearForm& form, std::span<const Formal> elements) const {
  Formal x = integer(form.constant);
  for (const auto& [atom, coefficient] : form.terms) {
    x = x + integer(coefficient) * elements[atom];
  }
  return form.denominator == 1 ? x : x / integer(form.denominator);
}

Formal CellAlgebra::in_field(const Formal& x) const {
  if (!x.finite()) {
    return x.state == Formal::State::kPoison
               ? field_.poison()
               : field_.infinity(x.state == Formal::State::kMinusInfinity);
  }
  Formal y = at(x).field;
  y.constant = x.constant;
  y.bit = x.bit;
  return y;
}

Formal CellAlgebra::in_bounds(const Formal& x) const {
  if (x.finite()) return at(x).bound;
  return x.state == Formal::State::kPoison
             ? bounds_.poison()
             : bounds_.infinity(x.state == Formal::State::kMinusInfinity);
}

void CellAlgebra::note_size(const Formal& bound) const {
  const Fraction& fraction = bounds_.fraction(bound);
  largest_numerator_ = larger(largest_numerator_, fraction.numerator);
  if (fraction.divisors.empty()) return;
  largest_denominator_ = larger(largest_denominator_, bounds_.denominator(fraction));
}

// A value with residues that are known is the same function, however it was computed.
void CellAlgebra::recognise(Entry& entry, const std::optional<LinearForm>& form,
                            bool& known) const {
  const auto find = [&](const Formal& value) -> Entry* {
    const auto [first, last] = entry_numbers_.equal_range(value.p);
    for (auto each = first; each != last; ++each) {
      Entry& other = entries_[each->second];
      if (field_.certainly_equal(other.field, value)) return &other;
    }
    return nullptr;
  };
  known = true;
  if (Entry* same = find(entry.field)) {
    entry.form = same->form;
    if (!same->total) return;
    entry.signs = entry.signs & same->signs;
    entry.range = {std::max(entry.range.low, same->range.low),
                   std::min(entry.range.high, same->range.high)};
    return;
  }
  if (const Entry* other = find(field_.negate(entry.field))) {
    entry.form = -other->form;
    if (other->total) entry.signs = entry.signs & negated(other->signs);
    return;
  }
  known = form.has_value();
  if (form) entry.form = *form;
}

Formal CellAlgebra::made(Entry entry, const std::optional<LinearForm>& form) const {
  if (entries_.size() == kMostValues) {
    fail(ErrorCode::kUnsupported, "the graphs are too large for a look at their cells");
  }
  entry.field.memory = 0;
  entry.bound = bounds_.forget(entry.bound);
  const bool zero = std::all_of(entry.field.p.begin(), entry.field.p.end(),
                                [](std::uint64_t word) { return word == 0; });
  bool known = zero;
  if (zero) {
    entry.form = LinearForm::integer(0);
  } else {
    recognise(entry, form, known);
  }
  if (known && entry.form.is_constant()) entry.signs = SignSet::of(entry.form.leading_sign());
  entry.signs = entry.signs & signs_of(entry.range);
  if (!entry.signs.has(-1)) entry.range.low = std::max(entry.range.low, 0.0);
  if (!entry.signs.has(1)) entry.range.high = std::min(entry.range.high, 0.0);
  note_size(entry.bound);

  Formal x;
  x.algebra = this;
  x.slot = entry.field.slot;
  x.p[0] = entries_.size();
  if (!known) {
    entry.form = LinearForm::atom(static_cast<std::uint32_t>(atoms_.size()));
    atoms_.push_back({entry.signs, entry.range, entry.total, {}, {}, {}, x});
  }
  entry_numbers_.emplace(entry.field.p, entries_.size());
  entries_.push_back(std::move(entry));
  return x;
}

Formal CellAlgebra::add(const Formal& a, const Formal& b) const {
  const Entry& x = at(a);
  const Entry& y = at(b);
  return made({field_.add(x.field, y.field),
               bounds_.add(x.bound, y.bound),
               x.range + y.range,
               sum(x.signs, y.signs),
               {},
               x.total && y.total},
              sum(x.form, y.form));
}

Formal CellAlgebra::negate(const Formal& a) const {
  const Entry& x = at(a);
  return made(
      {field_.negate(x.field), bounds_.negate(x.bound), -x.range, negated(x.signs), {}, x.total},
      -x.form);
}

Formal CellAlgebra::multiply(const Formal& a, const Formal& b) const {
  const Entry& x = at(a);
  const Entry& y = at(b);
  const bool square = field_.certainly_equal(x.field, y.field);
  std::optional<LinearForm> form;
  if (x.form.is_constant()) {
    form = lamina::product(y.form, x.form);
  } else if (y.form.is_constant()) {
    form = lamina::product(x.form, y.form);
  }
  const std::size_t known = atoms_.size();
  const Formal result =
      made({field_.multiply(x.field, y.field),
            bounds_.multiply(x.bound, y.bound),
            square ? abs(x.range) * abs(x.range) : x.range * y.range,
            lamina::product(x.signs, y.signs) & (square ? SignSet::not_negative() : SignSet::all()),
            {},
            x.total && y.total},
           form);
  if (atoms_.size() == known) return result;
  if (square) name_atom(result, kSquare, a);
  atoms_.back().factors = {a, b};
  return result;
}

Formal CellAlgebra::divide(const Formal& a, const Formal& b) const {
  const Entry& x = at(a);
  const Entry& y = at(b);
  const Formal field = field_.divide(x.field, y.field);
  const Formal bound = field.finite() ? bounds_.divide(x.bound, y.bound) : field;
  if (!bound.finite()) return poison();
  const std::size_t known = atoms_.size();
  const Formal result = made({field,
                              bound,
                              x.range / y.range,
                              quotient(x.signs, y.signs),
                              {},
                              x.total && y.total && !y.signs.has(0)},
                             y.form.is_constant() ? quotient(x.form, y.form) : std::nullopt);
  if (atoms_.size() > known) atoms_.back().factors = {a, b};
  return result;
}

Formal CellAlgebra::integer(std::int64_t value) const {
  const auto known = integers_.find(value);
  if (known != integers_.end()) return known->second;
  const auto real = static_cast<double>(value);
  const bool exact = std::fabs(real) < 0x1p53;
  const Interval range =
      exact ? Interval{real, real}
            : Interval{std::nextafter(real, -kInfinity), std::nextafter(real, kInfinity)};
  // The negative of a coefficient has to fit as well.
  const auto form = value == std::numeric_limits<std::int64_t>::min()
                        ? std::nullopt
                        : std::optional(LinearForm::integer(value));
  Formal x = made({field_.integer(value), bounds_.integer(value), range, SignSet::all(), {}}, form);
  x.constant = true;
  x.bit = value == 0 || value == 1;
  return integers_.emplace(value, x).first->second;
}

// Of the atom that a value just became. What it is made of is older than it, always.
void CellAlgebra::name_atom(const Formal& value, std::string_view function,
                            const Formal& argument) const {
  const LinearForm& form = at(value).form;
  check(is_atom(form), "only atoms have names");
  Atom& atom = atoms_[form.terms[0].first];
  atom.function = function;
  atom.argument = argument;
}

Formal CellAlgebra::exponential(const Formal& argument, bool turned) const {
  const Entry& x = at(argument);
  const Interval range = turned ? kLine : exp(x.range);
  const std::size_t known = atoms_.size();
  const Formal result = made({field_.exponential(x.field, turned),
                              bounds_.exponential(x.bound, turned),
                              range,
                              turned ? SignSet::all() : SignSet::of(1),
                              {}},
                             std::nullopt);
  if (!turned && atoms_.size() > known) name_atom(result, "exp", argument);
  return result;
}

std::optional<Formal> CellAlgebra::imaginary() const {
  const auto field = field_.imaginary();
  const auto bound = bounds_.imaginary();
  if (!field || !bound) return std::nullopt;
  return made({*field, *bound, kLine, SignSet::all(), {}}, std::nullopt);
}

std::optional<std::int64_t> CellAlgebra::known_integer(const Formal& x) const {
  return x.constant && x.finite() ? field_.known_integer(in_field(x)) : std::nullopt;
}

bool CellAlgebra::certainly_equal(const Formal& a, const Formal& b) const {
  return field_.certainly_equal(at(a).field, at(b).field);
}

bool CellAlgebra::leads(const Formal& x) const { return at(x).form.leading_sign() >= 0; }

Formal CellAlgebra::fresh(std::string_view name, std::span<const Formal> operands) const {
  if (name == "less") return integer(signs(operands[0], SignSet::of(-1)).has(-1) ? 1 : 0);
  if (name == "equal") return integer(signs(operands[0], SignSet::of(0)).has(0) ? 1 : 0);
  if (name == "sign") {
    const SignSet known = signs(operands[0], SignSet::of(0));
    return integer(known.has(1) ? 1 : known.has(-1) ? -1 : 0);
  }
  std::vector<Formal> in_field_operands, bounds;
  for (const Formal& x : operands) {
    in_field_operands.push_back(in_field(x));
    bounds.push_back(in_bounds(x));
  }
  const Formal field = field_.fresh(name, in_field_operands);
  const Formal bound = bounds_.fresh(name, bounds);
  // A function met again has to be the same variable: what is remembered of it belongs to it.
  const auto again = fresh_values_.find(field.p);
  if (again != fresh_values_.end()) return again->second;
  const KnownFunction* function = known_function(name);
  const bool plain = function != nullptr && operands.size() == 1 && operands[0].finite();
  const Interval range = plain ? function->range(at(operands[0]).range) : kLine;
  SignSet signs = name == "exp" ? SignSet::of(1) : SignSet::all();
  if (plain && name == "sqrt") signs = at(operands[0]).signs & SignSet::not_negative();
  const std::size_t known = atoms_.size();
  const bool total =
      plain && at(operands[0]).total && at(operands[0]).signs.within(function->domain);
  Formal value = made({field, bound, range, signs, {}, total}, std::nullopt);
  if (atoms_.size() > known && plain && function->increasing) name_atom(value, name, operands[0]);
  value = new_variable(value);
  return fresh_values_.emplace(field.p, value).first->second;
}

// Where two are equal either is the greatest.
Formal CellAlgebra::greatest(std::span<const Formal> operands) const {
  Formal best = operands[0];
  for (const Formal& next : operands.subspan(1)) {
    const SignSet known = signs(best - next, {});
    if (known.has(-1)) best = next;
  }
  return best;
}

bool CellAlgebra::before(const Formal& a, const Formal& b) const {
  if (a.state == Formal::State::kPoison || b.state == Formal::State::kPoison) {
    fail(ErrorCode::kUnsupported, "an undefined value has no place in an order");
  }
  const auto rank = [](const Formal& x) {
    return x.finite() ? 0 : x.state == Formal::State::kMinusInfinity ? -1 : 1;
  };
  if (!a.finite() || !b.finite()) return rank(a) < rank(b);
  return signs(a - b, SignSet::of(-1)).has(-1);
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

double CellAlgebra::agreement_bound(const Formal& a, const Formal& b) const {
  const BoundContext context{profile_, bounds_.exponents()};
  const Polynomial difference =
      bounds_.difference(bounds_.fraction(at(a).bound), bounds_.fraction(at(b).bound));
  return tuple_bound(difference, std::nullopt, context).best();
}

double CellAlgebra::undefined_bound() const {
  const BoundContext context{profile_, bounds_.exponents()};
  const auto divisors = static_cast<double>(entries_.size()) * kLanes;
  const double one = tuple_bound(largest_numerator_, std::nullopt, context).best();
  return std::min(0.0, std::log2(divisors) + one);
}

double CellAlgebra::false_merge_bound() const {
  const BoundContext context{profile_, bounds_.exponents()};
  const auto in_all_lanes = [&](const Polynomial& difference) {
    return kLanes * tuple_bound(difference, std::nullopt, context).best();
  };
  const Polynomial& n = largest_numerator_;
  const Polynomial& d = largest_denominator_;
  const auto values = static_cast<double>(entries_.size());
  const double pairs = 2.0 * std::log2(values + 1.0) + in_all_lanes(n * d + n * d);
  if (factor_tests_ == 0.0) return pairs;
  Polynomial powers_n = n;
  Polynomial powers_d = d;
  for (int i = 1; i < kHighestPower; ++i) {
    powers_n = powers_n * n;
    powers_d = powers_d * d;
  }
  return add_probabilities(pairs,
                           std::log2(factor_tests_) + in_all_lanes(powers_n * d + n * powers_d));
}

}  // namespace lamina
