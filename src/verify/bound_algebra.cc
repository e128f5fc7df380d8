// Majorants of polynomials and fractions, and the supports of values.
#include "verify/bound_algebra.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

namespace lamina {
namespace {

using Slot = Formal::Slot;
using Divisors = std::vector<std::pair<std::uint32_t, std::int32_t>>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kMostRanges = 32;
// Of all supports; when there are more, supersets of few ranges must do, so that memory lasts.
constexpr std::size_t kManyRanges = 16 << 20;
constexpr std::size_t kFewRanges = 2;
constexpr std::size_t kFewValues = 64;
// Numbers of the supports that have nothing but marks, where there are no others.
constexpr std::uint32_t kUncounted = 1, kUndecided = 2;
constexpr std::int64_t kSmallInteger = std::int64_t{1} << 31;

// Rounds a logarithm up past the error of computing it.
double up(double x) { return x + 1e-11 * (std::fabs(x) + 1.0); }

double log_sum(double a, double b) {
  const double high = std::max(a, b);
  if (std::isinf(high)) return high;
  return up(high + std::log2(1.0 + std::exp2(std::min(a, b) - high)));
}

// For each divisor the greater multiplicity.
Divisors joined(const Divisors& a, const Divisors& b) {
  Divisors result;
  std::size_t i = 0, k = 0;
  while (i < a.size() || k < b.size()) {
    if (k == b.size() || (i < a.size() && a[i].first < b[k].first)) {
      result.push_back(a[i++]);
    } else if (i == a.size() || b[k].first < a[i].first) {
      result.push_back(b[k++]);
    } else {
      result.emplace_back(a[i].first, std::max(a[i].second, b[k].second));
      ++i, ++k;
    }
  }
  return result;
}

// What `all` has beyond `part`.
Divisors without(const Divisors& all, const Divisors& part) {
  Divisors result;
  std::size_t k = 0;
  for (const auto& [number, count] : all) {
    while (k < part.size() && part[k].first < number) ++k;
    const std::int32_t less = k < part.size() && part[k].first == number ? part[k].second : 0;
    if (count > less) result.emplace_back(number, count - less);
  }
  return result;
}

Divisors merged(const Divisors& a, const Divisors& b) {
  if (a.empty() || b.empty()) return a.empty() ? b : a;
  std::map<std::uint32_t, std::int32_t> counts(a.begin(), a.end());
  for (const auto& [number, count] : b) counts[number] += count;
  return {counts.begin(), counts.end()};
}

std::uint64_t pair_key(std::uint64_t a, std::uint64_t b) { return a << 32 | b; }

}  // namespace

Polynomial operator+(const Polynomial& a, const Polynomial& b) {
  if (a.zero) return b;
  if (b.zero) return a;
  const double exponentials = std::max(a.exponentials, b.exponentials);
  // Without exponentials there is one exponent, 0.
  const double terms = exponentials == 0.0 ? 0.0 : log_sum(a.terms, b.terms);
  return {terms, log_sum(a.norm, b.norm), std::max(a.degree, b.degree), exponentials, false};
}

Polynomial operator*(const Polynomial& a, const Polynomial& b) {
  if (a.zero || b.zero) return {0, 0, 0, 0, true};
  const double exponentials = a.exponentials + b.exponentials;
  const double terms = exponentials == 0.0 ? 0.0 : up(a.terms + b.terms);
  return {terms, up(a.norm + b.norm), a.degree + b.degree, exponentials, false};
}

Polynomial larger(const Polynomial& a, const Polynomial& b) {
  if (a.zero) return b;
  if (b.zero) return a;
  return {std::max(a.terms, b.terms), std::max(a.norm, b.norm), std::max(a.degree, b.degree),
          std::max(a.exponentials, b.exponentials), false};
}

std::size_t BoundAlgebra::SupportHash::operator()(const Support& support) const {
  std::uint64_t hash = 0;
  for (const Ranges* set : {&support.vars, &support.nonlinear, &support.gates}) {
    for (const auto& [first, last] : set->list()) {
      hash = (std::rotl(hash, 23) ^ pair_key(first, last)) * 0x9e3779b97f4a7c15u;
    }
    hash = (std::rotl(hash, 23) ^ set->list().size()) * 0x9e3779b97f4a7c15u;
  }
  hash += (support.uncounted ? 1 : 0) + (support.undecided ? 2 : 0);
  return hash ^ (hash >> 32);
}

BoundAlgebra::BoundAlgebra(Detail detail) : detail_(detail) {
  exponent_numerator_.zero = true;
  exponent_denominator_.zero = true;
  if (!traced()) {
    supports_.resize((kUncounted | kUndecided) + 1);
    for (std::uint32_t i = 0; i < supports_.size(); ++i) {
      supports_[i].uncounted = (i & kUncounted) != 0;
      supports_[i].undecided = (i & kUndecided) != 0;
    }
    fractions_.reserve(kFewValues);
    constants_.reserve(kFewValues);
  } else {
    intern(Support{});
  }
}

std::uint64_t BoundAlgebra::intern(Fraction fraction) const {
  if (few()) {
    fractions_.push_back(std::move(fraction));
    return fractions_.size() - 1;
  }
  const auto [at, added] = fraction_numbers_.try_emplace(fraction, fractions_.size());
  if (added) fractions_.push_back(std::move(fraction));
  return at->second;
}

std::uint32_t BoundAlgebra::intern(Support support) const {
  if (!traced()) {
    return (support.uncounted ? kUncounted : 0) | (support.undecided ? kUndecided : 0);
  }
  const std::size_t most = stored_ranges_ < kManyRanges ? kMostRanges : kFewRanges;
  for (Ranges* ranges : {&support.vars, &support.nonlinear, &support.gates}) {
    ranges->coarsen(most);
    stored_ranges_ += ranges->list().size();
  }
  const auto [at, added] =
      support_numbers_.try_emplace(support, static_cast<std::uint32_t>(supports_.size()));
  if (added) supports_.push_back(std::move(support));
  return at->second;
}

Formal BoundAlgebra::value(std::uint64_t fraction, std::uint32_t support, Slot slot) const {
  Formal x;
  x.algebra = this;
  x.slot = slot;
  x.p = {fraction, next_place_++, support, 0};
  return x;
}

std::uint32_t BoundAlgebra::united(std::uint32_t a, std::uint32_t b, bool product) const {
  if (!traced()) return a | b;
  if (a == b && !product) return a;
  if (a == 0 || b == 0) return a + b;
  const std::uint64_t key = pair_key(std::min(a, b), std::max(a, b)) << 1 | (product ? 1 : 0);
  const auto known = unions_.find(key);
  if (known != unions_.end()) return known->second;
  const Support& x = supports_[a];
  const Support& y = supports_[b];
  Support both{x.vars | y.vars, x.nonlinear | y.nonlinear, x.gates | y.gates,
               x.uncounted || y.uncounted, x.undecided || y.undecided};
  if (product) both.nonlinear = both.nonlinear | (x.vars & y.vars);
  const std::uint32_t number = intern(std::move(both));
  unions_.emplace(key, number);
  return number;
}

std::optional<BoundAlgebra::Rational> BoundAlgebra::constant_of(const Formal& x) const {
  return x.p[3] == 0 ? std::nullopt : std::optional(constants_[x.p[3]]);
}

BoundAlgebra::Rational BoundAlgebra::reduced(Rational value) const {
  if (value.denominator < 0) value = {-value.numerator, -value.denominator};
  __int128 a = value.numerator < 0 ? -value.numerator : value.numerator;
  __int128 b = value.denominator;
  while (b != 0) a = std::exchange(b, a % b);
  if (a > 1) value = {value.numerator / a, value.denominator / a};
  return value;
}

Formal BoundAlgebra::with_product(Formal x, const Rational& a, const Rational& b) const {
  const Rational u = reduced({a.numerator, b.denominator});
  const Rational v = reduced({b.numerator, a.denominator});
  Rational product;
  if (__builtin_mul_overflow(u.numerator, v.numerator, &product.numerator) ||
      __builtin_mul_overflow(u.denominator, v.denominator, &product.denominator)) {
    overflowed_ = true;
    return x;
  }
  return with_constant(x, product);
}

Formal BoundAlgebra::with_constant(Formal x, const std::optional<Rational>& value) const {
  if (!value) return x;
  x.p[3] = constants_.size();
  constants_.push_back(*value);
  return x;
}

Formal BoundAlgebra::variable(std::uint32_t number) const {
  const Polynomial leaf{0.0, 0.0, 1.0, 0.0, false};
  const std::uint32_t support = !traced() ? 0 : intern(Support{{number, number + 1}, {}, {}});
  return value(intern(Fraction{leaf, {}}), support, Slot::kKnown);
}

Formal BoundAlgebra::integer(std::int64_t number) const {
  const auto known = integers_.find(number);
  if (known != integers_.end()) return known->second;
  Polynomial p;
  p.zero = number == 0;
  p.norm = p.zero ? 0.0 : up(std::log2(std::fabs(static_cast<double>(number))));
  Formal x = with_constant(value(intern(Fraction{p, {}}), 0, Slot::kKnown), Rational{number, 1});
  x.constant = true;
  x.bit = number == 0 || number == 1;
  return integers_.emplace(number, x).first->second;
}

Polynomial BoundAlgebra::product_of(const Divisors& divisors) const {
  Polynomial product;
  for (const auto& [number, count] : divisors) {
    for (std::int32_t i = 0; i < count; ++i) product = product * divisors_[number];
  }
  return product;
}

Polynomial BoundAlgebra::denominator(const Fraction& x) const { return product_of(x.divisors); }

Fraction BoundAlgebra::sum(const Fraction& a, const Fraction& b) const {
  if (a.divisors == b.divisors) return {a.numerator + b.numerator, a.divisors};
  Divisors common = joined(a.divisors, b.divisors);
  return {a.numerator * product_of(without(common, a.divisors)) +
              b.numerator * product_of(without(common, b.divisors)),
          std::move(common)};
}

Polynomial BoundAlgebra::difference(const Fraction& a, const Fraction& b) const {
  return sum(a, b).numerator;
}

// The support of a value, marked if forget() was told of its logarithms just now.
std::uint32_t BoundAlgebra::uncounted(const Formal& x) const {
  if (x.q[0] == 0) return static_cast<std::uint32_t>(x.p[2]);
  Support marked = support(x);
  marked.uncounted = true;
  return intern(std::move(marked));
}

std::uint64_t BoundAlgebra::sum_number(const Formal& a, const Formal& b) const {
  if (few()) return intern(sum(fraction(a), fraction(b)));
  const auto [at, added] = sums_.try_emplace(pair_key(a.p[0], b.p[0]), 0);
  if (added) at->second = intern(sum(fraction(a), fraction(b)));
  return at->second;
}

std::uint64_t BoundAlgebra::product_number(const Formal& a, const Formal& b) const {
  const auto product = [&] {
    const Fraction& u = fraction(a);
    const Fraction& v = fraction(b);
    return intern({u.numerator * v.numerator, merged(u.divisors, v.divisors)});
  };
  if (few()) return product();
  const auto [at, added] = products_.try_emplace(pair_key(a.p[0], b.p[0]), 0);
  if (added) at->second = product();
  return at->second;
}

// Terms are forgotten only where a sum of them is too long. In a field some may be equal.
Formal BoundAlgebra::add(const Formal& a, const Formal& b) const {
  const std::uint32_t support = united(uncounted(a), uncounted(b), false);
  const Formal x = value(sum_number(a, b), support, std::max(a.slot, b.slot));
  const auto u = constant_of(a);
  const auto v = constant_of(b);
  if (!u || !v) return x;
  Rational sum;
  __int128 left, right;
  if (__builtin_mul_overflow(u->numerator, v->denominator, &left) ||
      __builtin_mul_overflow(v->numerator, u->denominator, &right) ||
      __builtin_add_overflow(left, right, &sum.numerator) ||
      __builtin_mul_overflow(u->denominator, v->denominator, &sum.denominator)) {
    overflowed_ = true;
    return x;
  }
  return with_constant(x, reduced(sum));
}

Formal BoundAlgebra::negate(const Formal& a) const {
  Formal x = a;
  x.memory = 0;
  x.constant = x.bit = false;
  x.p[1] = next_place_++;
  if (const auto u = constant_of(a))
    return with_constant(x, Rational{-u->numerator, u->denominator});
  return x;
}

Formal BoundAlgebra::multiply(const Formal& a, const Formal& b) const {
  // Multiples are forgotten where they are too large, other products always.
  const bool multiple = known_integer(a) || known_integer(b);
  const std::uint32_t left = multiple ? uncounted(a) : static_cast<std::uint32_t>(a.p[2]);
  const std::uint32_t right = multiple ? uncounted(b) : static_cast<std::uint32_t>(b.p[2]);
  const Formal x = value(product_number(a, b), united(left, right, true), std::max(a.slot, b.slot));
  const auto u = constant_of(a);
  const auto v = constant_of(b);
  if (!u || !v) return x;
  return with_product(x, *u, *v);
}

// Constants are known by their value, others by the place where they were computed.
std::uint32_t BoundAlgebra::divisor_number(const Formal& x) const {
  const auto [at, added] =
      divisor_numbers_.try_emplace(x.p[1], static_cast<std::uint32_t>(divisors_.size()));
  if (added) divisors_.push_back(fraction(x).numerator);
  return at->second;
}

// (N / D) / (N' / D') = N (D' / C) / ((D / C) N') with C the divisors that both have.
Formal BoundAlgebra::divide(const Formal& a, const Formal& b) const {
  const auto u = constant_of(a);
  const auto v = constant_of(b);
  if (v && v->numerator == 0) return poison();
  const Fraction& x = fraction(a);
  const Fraction& y = fraction(b);
  Fraction quotient{x.numerator * product_of(without(y.divisors, x.divisors)),
                    merged(without(x.divisors, y.divisors), {{divisor_number(b), 1}})};
  // Variables of a divisor are not linear.
  Support below = support(b);
  below.nonlinear = below.vars;
  const std::uint32_t support =
      united(static_cast<std::uint32_t>(a.p[2]), intern(std::move(below)), true);
  const Formal result = value(intern(std::move(quotient)), support, std::max(a.slot, b.slot));
  if (!u || !v) return result;
  return with_product(result, *u, {v->denominator, v->numerator});
}

void BoundAlgebra::note_exponent(const Formal& x) const {
  const auto constant = constant_of(x);
  ExponentSize size{fraction(x).numerator, denominator(fraction(x)), constant.has_value(), {}};
  if (constant) size.value = {constant->numerator, constant->denominator};
  exponent_sizes_[size] += 1.0;
}

Formal BoundAlgebra::exponential(const Formal& given, bool turned) const {
  // Turned, no free variable is a base of its own.
  const Formal x = turned ? forget(given) : given;
  const Fraction argument = fraction(x);
  // A field may have known it as a power of the logarithms' arguments.
  overflowed_ = overflowed_ || support(x).uncounted;
  exponent_numerator_ = larger(exponent_numerator_, argument.numerator);
  exponent_denominator_ = larger(exponent_denominator_, denominator(argument));
  if (!argument.divisors.empty()) exponent_divisors_.insert(argument.divisors);
  if (traced()) note_exponent(x);
  const auto gate = static_cast<std::uint32_t>(gate_supports_.size());
  gate_supports_.push_back(static_cast<std::uint32_t>(x.p[2]));
  const Polynomial one_factor{0.0, 0.0, 0.0, 1.0, false};
  const std::uint32_t support = !traced() ? 0 : intern(Support{{}, {}, {gate, gate + 1}});
  return value(intern(Fraction{one_factor, {}}), support, Slot::kAbsent);
}

BoundAlgebra::Exponents BoundAlgebra::exponents() const {
  return {exponent_numerator_, exponent_denominator_, exponent_divisors_.size()};
}

std::optional<Formal> BoundAlgebra::imaginary() const {
  if (!imaginary_) return std::nullopt;
  Formal i = integer(1);
  i.slot = Slot::kAbsent;
  i.constant = i.bit = false;
  i.p[3] = 0;
  return i;
}

std::optional<std::int64_t> BoundAlgebra::known_integer(const Formal& x) const {
  if (!x.constant || !x.finite() || !x.has_q()) return std::nullopt;
  const auto value = constant_of(x);
  if (!value || value->denominator != 1) return std::nullopt;
  if (value->numerator >= kSmallInteger || value->numerator <= -kSmallInteger) return std::nullopt;
  return static_cast<std::int64_t>(value->numerator);
}

bool BoundAlgebra::certainly_equal(const Formal& a, const Formal& b) const {
  if (a.p[1] == b.p[1]) return true;
  if (!a.constant || !b.constant) {
    note_comparison(a, b);
    return false;
  }
  const auto u = constant_of(a);
  const auto v = constant_of(b);
  return u && v && u->numerator == v->numerator && u->denominator == v->denominator;
}

void BoundAlgebra::note_comparison(const Formal& a, const Formal& b) const {
  comparisons_.values += 1.0;
  note_operand(comparisons_, a);
  note_operand(comparisons_, b);
}

// Its support is empty: the variable is remembered instead.
Formal BoundAlgebra::new_leaf() const {
  Formal leaf = variable(next_variable_);
  leaf.p[2] = 0;
  leaf = with_constant(leaf, Rational{0, 1});
  variable_numbers_.push_back(next_variable_++);
  return new_variable(leaf);
}

Formal BoundAlgebra::with_fraction(Formal x, Fraction fraction) const {
  x.p[0] = intern(std::move(fraction));
  return x;
}

std::uint32_t BoundAlgebra::support_of_terms(const Formal& x) const {
  if (!traced()) return 0;
  Support support;
  for (const auto& [variable, coefficient] : terms_of(x)) {
    const std::uint32_t number = variable_numbers_[variable];
    support.vars = support.vars | Ranges(number, number + 1);
  }
  return intern(std::move(support));
}

Formal BoundAlgebra::forget(Formal value) const {
  if (terms_of(value).empty()) return Algebra::forget(value);
  value.q[0] = split_logs(value).second.empty() ? 0 : 1;
  value.p[2] = united(static_cast<std::uint32_t>(value.p[2]), support_of_terms(value), false);
  value.p[3] = 0;
  return Algebra::forget(value);
}

void BoundAlgebra::note_operand(Function& function, const Formal& x) const {
  if (!x.finite()) return;
  function.numerator = larger(function.numerator, fraction(x).numerator);
  function.denominator = larger(function.denominator, denominator(fraction(x)));
}

Formal BoundAlgebra::fresh(std::string_view name, std::span<const Formal> operands) const {
  const auto note = [&](std::string_view of) {
    Function& function = functions_[std::string(of)];
    function.values += 1.0;
    for (const Formal& x : operands) note_operand(function, x);
  };
  note(name);
  // Other operands than these are treated alike, whether they may be exponents or not.
  const bool by_slot = name == "exp" || name == "sin" || name == "cos";
  overflowed_ = overflowed_ || (by_slot && support(operands[0]).undecided);
  Formal leaf = new_leaf();
  if (name == "less") {
    // Or 1 less two others, of which one is an equality.
    note("equal");
    leaf.p[0] = intern(Fraction{{0.0, up(std::log2(3.0)), 1.0, 0.0, false}, {}});
    return forget(leaf);
  }
  if (name == "exp") {
    // Or the reciprocal of another: z = z^2 / z, and 1 / z.
    const std::uint32_t divisor = divisor_number(leaf);
    leaf.p[0] = intern(Fraction{{0.0, 0.0, 2.0, 0.0, false}, {{divisor, 1}}});
    return forget(leaf);
  }
  return leaf;
}

Formal BoundAlgebra::greatest(std::span<const Formal> operands) const {
  Function& function = functions_["max"];
  function.values += 1.0;
  double size = 0.0;
  for (const Formal& x : operands) {
    const auto join = join_sizes_.find(x.p[1]);
    size += join == join_sizes_.end() ? 1.0 : join->second;
    if (join == join_sizes_.end()) note_operand(function, x);
  }
  function.operands = std::max(function.operands, size);
  Formal result = new_leaf();
  if (idempotent_) {
    // It may stand for any of them: the larger of all polynomials over all their divisors. Whether
    // it may be an exponent then depends on which.
    result = forget(result);
    Fraction all = fraction(result);
    auto support = static_cast<std::uint32_t>(result.p[2]);
    for (const Formal& x : operands) {
      const Fraction& one = fraction(x);
      Divisors common = joined(all.divisors, one.divisors);
      all.numerator = larger(all.numerator * product_of(without(common, all.divisors)),
                             one.numerator * product_of(without(common, one.divisors)));
      all.divisors = std::move(common);
      support = united(support, static_cast<std::uint32_t>(forget(x).p[2]), true);
      result.slot = std::max(result.slot, x.slot);
    }
    result.p[0] = intern(std::move(all));
    Support marked = supports_[support];
    marked.undecided = marked.undecided || result.slot != Slot::kKnown;
    result.p[2] = intern(std::move(marked));
  }
  join_sizes_[result.p[1]] = size;
  return result;
}

BoundAlgebra::Line BoundAlgebra::line_of(const Panel<Formal>& panel, std::int64_t line) const {
  const Formal& first = panel(line, 0);
  Support all;
  std::uint64_t last = 0;
  for (std::size_t k = 0; k < panel.steps.size(); ++k) {
    const Formal& x = panel(line, k);
    if (!x.finite() || x.constant || x.p[0] != first.p[0] || x.slot != first.slot) return {};
    const bool plain = terms_of(x).empty();
    if (plain && k > 0 && x.p[2] == last) continue;
    last = plain ? x.p[2] : forget(x).p[2];
    const Support& support = supports_[last];
    all.vars.extend(support.vars);
    all.gates.extend(support.gates);
    if (!support.nonlinear.empty()) all.nonlinear = all.nonlinear | support.nonlinear;
    all.uncounted = all.uncounted || support.uncounted;
    all.undecided = all.undecided || support.undecided;
  }
  return {&first, intern(std::move(all))};
}

// The sum of as many products as there are `terms`, all alike. What occurs in both lines may be
// multiplied by itself.
Formal BoundAlgebra::uniform_sum(const Line& a, const Line& b, double terms) const {
  const auto [at, added] = uniform_sums_.try_emplace({a.element->p[0], b.element->p[0], terms}, 0);
  if (added) {
    const Fraction& u = fraction(*a.element);
    const Fraction& v = fraction(*b.element);
    const double count = up(std::log2(terms));
    at->second = intern({u.numerator * v.numerator * Polynomial{count, count, 0.0, 0.0, false},
                         merged(u.divisors, v.divisors)});
  }
  return value(at->second, united(a.support, b.support, true),
               std::max(a.element->slot, b.element->slot));
}

bool BoundAlgebra::products(const Panel<Formal>& a, const Panel<Formal>& b,
                            std::span<Formal> totals) const {
  if (a.steps.empty()) return false;
  std::vector<Line> rows, columns;
  for (std::int64_t i = 0; i < a.lines; ++i) rows.push_back(line_of(a, i));
  for (std::int64_t j = 0; j < b.lines; ++j) columns.push_back(line_of(b, j));
  const auto like = [](const Line& line) { return line.element != nullptr; };
  if (!std::all_of(rows.begin(), rows.end(), like) ||
      !std::all_of(columns.begin(), columns.end(), like)) {
    return false;
  }
  auto total = totals.begin();
  for (const Line& row : rows) {
    for (const Line& column : columns) {
      *total++ = uniform_sum(row, column, static_cast<double>(a.steps.size()));
    }
  }
  return true;
}

void BoundAlgebra::dots(const Strided<Formal>& a, const Strided<Formal>& b, std::int64_t n,
                        std::span<Formal> totals) const {
  if (n == 0) return;
  std::vector<std::int64_t> left, right;
  for (std::int64_t k = 0; k < n; ++k) {
    left.push_back(k * a.step);
    right.push_back(k * b.step);
  }
  for (std::size_t j = 0; j < totals.size(); ++j) {
    const auto offset = static_cast<std::int64_t>(j);
    const Formal* x = a.at + offset * a.next;
    const Formal* y = b.at + offset * b.next;
    const Line row = line_of({x, 1, 0, left}, 0);
    const Line column = row.element != nullptr ? line_of({y, 1, 0, right}, 0) : Line{};
    if (column.element != nullptr) {
      totals[j] = totals[j] + uniform_sum(row, column, static_cast<double>(n));
      continue;
    }
    // Fields remember nothing of inner products either.
    for (std::int64_t k = 0; k < n; ++k) {
      Formal u = forget(x[k * a.step]);
      Formal v = forget(y[k * b.step]);
      u.q = v.q = {};
      totals[j] = totals[j] + u * v;
    }
  }
}

}  // namespace lamina
