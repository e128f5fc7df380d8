// Roots and logarithms of values with roots: expressed by what is there, or new symbols.
#include <cmath>
#include <string>

#include "num/root_field.h"
#include "num/root_rules.h"

namespace lamina {
namespace {

using Terms = RootExtension::Terms;

constexpr std::int64_t kLargestRational = std::int64_t{1} << 12;
constexpr std::int64_t kLargestConstant = std::int64_t{1} << 40;
constexpr std::int64_t kMostPower = 4;
constexpr double kMostTests = 4096.0;

// n = product of primes^multiplicities, n > 0.
std::vector<std::pair<std::int64_t, std::int64_t>> factored(std::int64_t n) {
  std::vector<std::pair<std::int64_t, std::int64_t>> factors;
  for (std::int64_t d = 2; d * d <= n; ++d) {
    if (n % d != 0) continue;
    factors.emplace_back(d, 0);
    for (; n % d == 0; n /= d) ++factors.back().second;
  }
  if (n > 1) factors.emplace_back(n, 1);
  return factors;
}

// n / d = x modulo m with |n| and d up to a limit, by Euclid's algorithm.
SmallRational reconstructed(std::uint64_t x, std::uint64_t m) {
  auto a = static_cast<std::int64_t>(m), b = static_cast<std::int64_t>(x);
  std::int64_t u = 0, v = 1;
  while (b >= kLargestRational) {
    const std::int64_t quotient = a / b;
    a = std::exchange(b, a - quotient * b);
    u = std::exchange(v, u - quotient * v);
  }
  return v < 0 ? SmallRational{-b, -v} : SmallRational{b, v};
}

}  // namespace

std::optional<SmallRational> RootField::small_rational(const Terms& x) const {
  const auto value = extension_.as_scalar(x);
  if (!value) return std::nullopt;
  const SmallRational guess = reconstructed(value->p[0], base_.pairs()[0].p);
  if (guess.denominator == 0 || guess.denominator >= kLargestRational) return std::nullopt;
  const Formal whole = base_.multiply(*value, base_.integer(guess.denominator));
  if (!base_.certainly_equal(whole, base_.integer(guess.numerator))) return std::nullopt;
  return guess;
}

// A small rational that x is, but for powers of factors: few of them, and small powers.
class RootField::Search {
 public:
  Search(const RootField& field, const std::vector<Factor>& factors)
      : field_(field), factors_(factors) {}

  // Up to `together` factors, each to a power of at most `power`.
  bool run(const Terms& x, int together, std::int64_t power) {
    most_power_ = power;
    return extend(x, 0, together);
  }

  const Match& found() const { return found_; }
  double tests() const { return tests_; }

 private:
  bool extend(const Terms& x, std::size_t first, int left) {
    ++tests_;
    if (const auto rest = field_.small_rational(x); rest && rest->numerator != 0) {
      found_.rest = *rest;
      return true;
    }
    if (left == 0 || tests_ > kMostTests) return false;
    for (std::size_t i = first; i < factors_.size(); ++i) {
      for (const std::int64_t sign : {1, -1}) {
        Terms next = x;
        for (std::int64_t e = 1; e <= most_power_; ++e) {
          const Terms& factor = sign > 0 ? factors_[i].inverse : factors_[i].value;
          next = field_.extension_.product(next, factor);
          found_.powers.emplace_back(i, sign * e);
          if (extend(next, i + 1, left - 1)) return true;
          found_.powers.pop_back();
        }
      }
    }
    return false;
  }

  const RootField& field_;
  const std::vector<Factor>& factors_;
  std::int64_t most_power_ = 1;
  Match found_;
  double tests_ = 0.0;
};

std::optional<RootField::Match> RootField::match(const Terms& x, const std::vector<Factor>& factors,
                                                 int together, double& tests) const {
  Search search(*this, factors);
  const bool found = search.run(x, 1, kMostPower) || search.run(x, together, together == 2 ? 3 : 1);
  tests += search.tests();
  return found ? std::optional(search.found()) : std::nullopt;
}

Formal RootField::positive_input(const Formal& root) const {
  const Formal x = positive(root);
  const auto inverse = extension_.inverse(terms(x));
  if (!inverse) return x;
  for (const int order : {2, 3}) {
    symbols_.push_back(
        {{static_cast<std::uint32_t>(symbols_.size()), terms(x), *inverse}, order, 0, true});
    symbol_values_.push_back(integer_power(*this, root, kRootOrder / order));
  }
  log(root);
  positive_inputs_.push_back(
      {static_cast<std::uint32_t>(logs_.size() - 1), terms(x), *inverse, kRootOrder});
  return x;
}

std::uint32_t RootField::add_symbol(int order, const Terms& radicand, std::int64_t prime,
                                    RootTape::Step& step) const {
  const auto number = static_cast<std::uint32_t>(symbols_.size());
  const auto inverse = extension_.inverse(radicand);
  symbols_.push_back({{number, radicand, inverse.value_or(Terms{})},
                      order,
                      prime,
                      prime == 0 && inverse.has_value()});
  symbol_values_.push_back(kept({extension_.symbol(extension_.add(order, radicand)), {}, {}}));
  step.made.push_back({order, prime});
  return number;
}

// Multiplies the root of the positive number into the step; false: there are too many symbols.
bool RootField::add_root_of_rational(int order, const SmallRational& value,
                                     RootTape::Step& step) const {
  // root(n/d) = root(n d^(order-1)) / d
  const std::int64_t d = value.denominator;
  step.factor.denominator *= d;
  std::map<std::int64_t, std::int64_t> primes;
  for (const auto& [prime, count] : factored(value.numerator)) primes[prime] += count;
  for (const auto& [prime, count] : factored(d)) primes[prime] += count * (order - 1);
  for (const auto& [prime, count] : primes) {
    for (std::int64_t i = 0; i < count / order; ++i) {
      if (std::abs(step.factor.numerator) > kLargestConstant / prime) return false;
      step.factor.numerator *= prime;
    }
    if (count % order == 0) continue;
    std::uint32_t number = 0;
    while (number < symbols_.size() &&
           (symbols_[number].prime != prime || symbols_[number].order != order)) {
      ++number;
    }
    if (number == symbols_.size()) {
      if (extension_.size() == RootExtension::kMostGenerators) return false;
      number = add_symbol(order, extension_.scalar(base_.integer(prime)), prime, step);
    }
    step.parts.emplace_back(number, count % order);
  }
  return true;
}

// What is known of the symbols: each is the root of its radicand, and not negative where that is
// not, so the root of a product of radicands' powers is the product of the symbols' powers. An odd
// root needs no signs.
Formal RootField::root(int order, const Formal& x) const {
  RootTape::Step step;
  step.function = "root " + std::to_string(order);
  std::vector<Factor> factors;
  for (const Symbol& symbol : symbols_) {
    if (symbol.order == order && symbol.matchable) factors.push_back(symbol.radicand);
  }
  const Terms& radicand = terms(x);
  const auto found = radicand.empty() ? std::nullopt : match(radicand, factors, 2, step.tests);
  bool expressed = false;
  if (radicand.empty()) {
    step.factor = {0, 1};
    step.tests = 1.0;
    expressed = true;
  } else if (found && (found->rest.numerator > 0 || order == 3)) {
    if (found->rest.numerator < 0) step.factor.numerator = -1;
    expressed = add_root_of_rational(
        order, {std::abs(found->rest.numerator), found->rest.denominator}, step);
    for (const auto& [index, power] : found->powers) {
      step.parts.emplace_back(factors[index].number, power);
    }
  }
  if (!expressed) {
    step.factor = {1, 1};
    step.parts.clear();
    step.opaque = extension_.size() == RootExtension::kMostGenerators;
    if (!step.opaque) step.parts.emplace_back(add_symbol(order, radicand, 0, step), 1);
  }
  tape_.steps.push_back(step);
  return step.opaque ? opaque(step.function, {&x, 1}) : root_of_step(*this, step, symbol_values_);
}

std::uint32_t RootField::add_log(const Formal& argument, std::int64_t prime,
                                 RootTape::Step& step) const {
  const auto number = static_cast<std::uint32_t>(logs_.size());
  const Terms value = terms(argument);
  const auto inverse = extension_.inverse(value);
  logs_.push_back({{number, value, inverse.value_or(Terms{})},
                   argument,
                   prime,
                   prime == 0 && inverse.has_value()});
  const Formal log = kept({extension_.scalar(base_.random()), {}, {{number, {1, 1}}}});
  log_values_.push_back(remember_log(new_variable(log), argument));
  ++fresh_counts_["log"];
  step.made.push_back({1, prime});
  return number;
}

void RootField::add_log_of_rational(const SmallRational& value, RootTape::Step& step) const {
  for (const auto& [n, sign] : {std::pair(value.numerator, 1), std::pair(value.denominator, -1)}) {
    for (const auto& [prime, count] : factored(n)) {
      std::uint32_t number = 0;
      while (number < logs_.size() && logs_[number].prime != prime) ++number;
      if (number == logs_.size()) number = add_log(integer(prime), prime, step);
      step.parts.emplace_back(number, sign * count);
    }
  }
}

bool RootField::match_log(const Formal& x, RootTape::Step& step) const {
  std::vector<Factor> factors;
  for (const Log& log : logs_) {
    if (log.matchable) factors.push_back(log.argument);
  }
  factors.insert(factors.end(), positive_inputs_.begin(), positive_inputs_.end());
  const std::size_t first_exponential = factors.size();
  for (const Factor& e : exponentials_) {
    if (!e.inverse.empty()) factors.push_back(e);
  }
  const auto found = match(terms(x), factors, 3, step.tests);
  if (!found || found->rest.numerator <= 0) return false;
  for (const auto& [index, power] : found->powers) {
    auto& list = index < first_exponential ? step.parts : step.exponents;
    list.emplace_back(factors[index].number, power * factors[index].weight);
  }
  add_log_of_rational(found->rest, step);
  return true;
}

// The arguments of all logarithms are positive where these are defined, so the logarithm of a
// product of their powers, and of exponentials, is the sum.
Formal RootField::log(const Formal& x) const {
  RootTape::Step step;
  step.function = "log";
  if (!match_log(x, step)) step.parts.emplace_back(add_log(x, 0, step), 1);
  tape_.steps.push_back(step);
  const bool one = step.parts.size() == 1 && step.parts[0].second == 1 && step.exponents.empty();
  // A logarithm of its own is a variable that remembers its argument; a sum remembers by itself.
  return one ? log_values_[step.parts[0].first]
             : forget(log_of_step(*this, step, log_values_, arguments_));
}

}  // namespace lamina
