// Values of a cell: residues, majorants, ranges, signs and linear forms side by side.
#include "verify/cell_algebra.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/check.h"
#include "verify/error_bound.h"
#include "verify/known_function.h"

namespace lamina {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Interval kLine{-kInfinity, kInfinity};

std::uint64_t next_word(void* random) { return static_cast<SecretRandom*>(random)->word(); }

bool is_atom(const LinearForm& form) {
  return form.terms.size() == 1 && form.terms[0].second == 1 && form.constant == 0 &&
         form.denominator == 1;
}

}  // namespace

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
