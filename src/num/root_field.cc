// Arithmetic, fresh values and exponentials of values with roots; roots and logarithms themselves
// are in root_functions.cc.
#include "num/root_field.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "num/root_rules.h"

namespace lamina {
namespace {

constexpr std::size_t kMostElements = 1 << 18;
constexpr std::int64_t kMostInRationals = std::int64_t{1} << 24;

bool small(std::int64_t a, std::int64_t b) {
  return std::abs(a) < kMostInRationals && std::abs(b) < kMostInRationals;
}

// nullopt where it is no small rational.
std::optional<SmallRational> exact_product(const SmallRational& a, const SmallRational& b) {
  return small(a.numerator, b.numerator) && small(a.denominator, b.denominator)
             ? std::optional(
                   SmallRational{a.numerator * b.numerator, a.denominator * b.denominator})
             : std::nullopt;
}

std::optional<SmallRational> exact_sum(const SmallRational& a, const SmallRational& b) {
  if (a.denominator == b.denominator)
    return SmallRational{a.numerator + b.numerator, a.denominator};
  if (!small(a.numerator, b.denominator) || !small(b.numerator, a.denominator) ||
      !small(a.denominator, b.denominator)) {
    return std::nullopt;
  }
  return SmallRational{a.numerator * b.denominator + b.numerator * a.denominator,
                       a.denominator * b.denominator};
}

using LogParts = std::vector<RootTape::LogPart>;

// What cannot be said exactly is left to the rest of the value.
LogParts scaled(const LogParts& logs, const SmallRational& factor) {
  LogParts result;
  if (factor.numerator == 0) return result;
  for (const auto& [log, coefficient] : logs) {
    if (const auto both = exact_product(coefficient, factor)) result.push_back({log, *both});
  }
  return result;
}

LogParts added(LogParts a, const LogParts& b) {
  for (const RootTape::LogPart& part : b) {
    const auto same = std::find_if(a.begin(), a.end(),
                                   [&](const RootTape::LogPart& x) { return x.log == part.log; });
    if (same == a.end()) {
      a.push_back(part);
    } else if (const auto both = exact_sum(same->coefficient, part.coefficient)) {
      same->coefficient = *both;
    }
  }
  std::erase_if(a, [](const RootTape::LogPart& x) { return x.coefficient.numerator == 0; });
  return a;
}

}  // namespace

Formal RootField::kept(Element element) const {
  if (elements_.size() == kMostElements) {
    throw std::length_error("too many values with roots");
  }
  Formal x;
  x.algebra = this;
  x.slot = extension_.slot(element.terms);
  x.p[0] = elements_.size();
  elements_.push_back(std::move(element));
  return x;
}

Formal RootField::lift(const Formal& residue) const {
  Formal x = kept({extension_.scalar(residue), {}, {}});
  x.constant = residue.constant;
  x.bit = residue.bit;
  return x;
}

Formal RootField::integer(std::int64_t value) const {
  Formal x = lift(base_.integer(value));
  if (small(value, 1)) elements_.back().constant = {value, 1};
  return x;
}

Formal RootField::add(const Formal& a, const Formal& b) const {
  const Element& x = element(a);
  const Element& y = element(b);
  return kept({extension_.sum(x.terms, y.terms),
               exact_sum(x.constant, y.constant).value_or(SmallRational{}), added(x.logs, y.logs)});
}

Formal RootField::negate(const Formal& a) const {
  const Element& x = element(a);
  return kept({extension_.negative(x.terms),
               {-x.constant.numerator, x.constant.denominator},
               scaled(x.logs, {-1, 1})});
}

// (c + u)(logs + v) = c logs + anything.
Formal RootField::multiply(const Formal& a, const Formal& b) const {
  const Element& x = element(a);
  const Element& y = element(b);
  Element result{extension_.product(x.terms, y.terms), {}, {}};
  if (a.constant || b.constant) {
    result.constant = exact_product(x.constant, y.constant).value_or(SmallRational{});
  }
  if (x.logs.empty()) result.logs = scaled(y.logs, x.constant);
  if (y.logs.empty()) result.logs = scaled(x.logs, y.constant);
  return kept(std::move(result));
}

Formal RootField::divide(const Formal& a, const Formal& b) const {
  const Element& x = element(a);
  const Element& y = element(b);
  const auto inverse = extension_.inverse(y.terms);
  if (!inverse) return poison();
  Element result{extension_.product(x.terms, *inverse), {}, {}};
  if (b.constant && y.constant.numerator != 0) {
    const std::int64_t sign = y.constant.numerator < 0 ? -1 : 1;
    const SmallRational reciprocal{sign * y.constant.denominator, sign * y.constant.numerator};
    result.constant = exact_product(x.constant, reciprocal).value_or(SmallRational{});
    result.logs = scaled(x.logs, reciprocal);
  }
  return kept(std::move(result));
}

std::optional<Formal> RootField::imaginary() const {
  const auto i = base_.imaginary();
  return i ? std::optional(lift(*i)) : std::nullopt;
}

std::optional<std::int64_t> RootField::known_integer(const Formal& x) const {
  if (!x.constant || !x.finite()) return std::nullopt;
  auto value = extension_.as_scalar(terms(x));
  if (!value) return std::nullopt;
  value->constant = true;
  return base_.known_integer(*value);
}

bool RootField::certainly_equal(const Formal& a, const Formal& b) const {
  return extension_.equal(terms(a), terms(b));
}

bool RootField::leads(const Formal& x) const {
  return terms(x).empty() || base_.leads(terms(x)[0].coefficient);
}

// The table is keyed by residues; exponent slots stand apart, since two computations of one value
// may know different ones.
Formal RootField::opaque(std::string_view name, std::span<const Formal> operands) const {
  Key key{std::string(name), {}};
  for (const Formal& x : operands) {
    key.second.push_back(static_cast<std::uint64_t>(x.state));
    if (!x.finite()) continue;
    for (const auto& [powers, coefficient] : terms(x)) {
      if (coefficient.p == std::array<std::uint64_t, kLanes>{}) continue;
      key.second.push_back(powers);
      key.second.insert(key.second.end(), coefficient.p.begin(), coefficient.p.end());
    }
  }
  std::vector<Entry>& entries = table_[key];
  for (const Entry& entry : entries) {
    bool same = true;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      same = same && (!operands[i].finite() || certainly_equal(operands[i], entry.operands[i]));
    }
    if (same) return entry.value;
  }
  ++fresh_counts_[std::string(name)];
  Formal drawn = lift(base_.random());
  entries.push_back({{operands.begin(), operands.end()}, new_variable(drawn)});
  return entries.back().value;
}

Formal RootField::fresh(std::string_view name, std::span<const Formal> operands) const {
  const auto exact = function_by_roots(*this, name, operands);
  return exact ? *exact : opaque(name, operands);
}

Formal RootField::greatest(std::span<const Formal> operands) const {
  return greatest_by_roots(*this, operands);
}

// Linear in the products of symbols, each of which stands for a random exponent.
Formal RootField::as_exponent(const Formal& x) const {
  Formal total = base_.integer(0);
  for (const auto& [powers, coefficient] : terms(x)) {
    Formal weight = base_.integer(1);
    if (powers != 0) weight = exponent_weights_.try_emplace(powers, base_.random()).first->second;
    total = base_.add(total, base_.multiply(coefficient, weight));
  }
  return total;
}

// The logarithms that `x` is known to contain, or the one that it is a rational multiple of.
std::vector<RootTape::LogPart> RootField::logs_in(const Formal& x) const {
  if (!element(x).logs.empty()) return element(x).logs;
  for (std::uint32_t k = 0; k < logs_.size(); ++k) {
    const auto below = extension_.inverse(terms(log_values_[k]));
    if (!below) continue;
    const auto ratio = small_rational(extension_.product(terms(x), *below));
    if (ratio && ratio->numerator != 0) return {{k, *ratio}};
  }
  return {};
}

Formal RootField::exponential(const Formal& x, bool turned) const {
  std::vector<RootTape::LogPart> logs;
  if (!turned) {
    for (const RootTape::LogPart& part : logs_in(x)) {
      const std::int64_t d = part.coefficient.denominator;
      if (d <= 12 && 144 % d == 0 && std::abs(part.coefficient.numerator) <= 64)
        logs.push_back(part);
    }
  }
  tape_.exponentials.push_back(logs);
  arguments_.push_back(x);
  const std::size_t number = exponentials_.size();
  exponentials_.push_back({static_cast<std::uint32_t>(number), {}, {}});
  Formal rest = forget(x);
  for (const auto& [log, coefficient] : logs) {
    rest = rest - rational(*this, coefficient) * log_values_[log];
  }
  Formal result = lift(base_.exponential(as_exponent(rest), turned));
  for (const auto& [log, coefficient] : logs) {
    result = result * rational_power(*this, logs_[log].operand, coefficient);
  }
  result = forget(result);
  exponentials_[number].value = terms(result);
  // A turned one is no exponential of its argument.
  if (!turned) exponentials_[number].inverse = extension_.inverse(terms(result)).value_or(Terms{});
  return result;
}

}  // namespace lamina
