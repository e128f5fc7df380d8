// Arithmetic modulo s^2 = g and s^3 = g.
#include "num/root_extension.h"

#include <algorithm>
#include <bit>
#include <map>
#include <stdexcept>

namespace lamina {
namespace {

using Slot = Formal::Slot;
using Terms = RootExtension::Terms;

constexpr std::uint64_t kDigit = 15;

std::uint64_t digit(std::uint64_t powers, std::size_t generator) {
  return powers >> (4 * generator) & kDigit;
}

// A zero without an exponent slot is kept: the value that has it must not become an exponent.
bool is_zero(const Formal& x) {
  return x.has_q() && x.p == std::array<std::uint64_t, kLanes>{} &&
         x.q == std::array<std::uint32_t, kLanes>{};
}

}  // namespace

std::size_t RootExtension::add(int order, Terms radicand) {
  generators_.push_back({order, std::move(radicand)});
  return generators_.size() - 1;
}

Terms RootExtension::symbol(std::size_t generator) const {
  return {{std::uint64_t{1} << (4 * generator), base_.integer(1)}};
}

Terms RootExtension::scalar(const Formal& residue) const {
  return is_zero(residue) ? Terms{} : Terms{{0, residue}};
}

std::optional<Formal> RootExtension::as_scalar(const Terms& x) const {
  if (x.empty()) return base_.integer(0);
  if (x.size() > 1 || x[0].powers != 0) return std::nullopt;
  return x[0].coefficient;
}

Terms RootExtension::sum(const Terms& a, const Terms& b) const {
  Terms total;
  std::size_t i = 0, k = 0;
  while (i < a.size() || k < b.size()) {
    if (k == b.size() || (i < a.size() && a[i].powers < b[k].powers)) {
      total.push_back(a[i++]);
    } else if (i == a.size() || b[k].powers < a[i].powers) {
      total.push_back(b[k++]);
    } else {
      const Formal both = base_.add(a[i].coefficient, b[k].coefficient);
      if (!is_zero(both)) total.push_back({a[i].powers, both});
      ++i, ++k;
    }
  }
  return total;
}

Terms RootExtension::negative(const Terms& x) const {
  Terms result = x;
  for (Term& term : result) term.coefficient = base_.negate(term.coefficient);
  return result;
}

Terms RootExtension::product(const Terms& a, const Terms& b) const {
  products_ += a.size() * b.size();
  if (products_ > kMostProducts) throw std::length_error("too many products in an extension");
  std::map<std::uint64_t, Formal> collected;
  Terms reduced;
  for (const Term& x : a) {
    for (const Term& y : b) {
      const Formal coefficient = base_.multiply(x.coefficient, y.coefficient);
      const std::uint64_t powers = x.powers + y.powers;  // digits stay below 5
      std::size_t i = generators_.size();
      while (i > 0 && digit(powers, i - 1) < static_cast<std::uint64_t>(generators_[i - 1].order)) {
        --i;
      }
      if (i == 0) {
        const auto [at, added] = collected.try_emplace(powers, coefficient);
        if (!added) at->second = base_.add(at->second, coefficient);
        continue;
      }
      const auto order = static_cast<std::uint64_t>(generators_[i - 1].order);
      const Terms rest{{powers - (order << (4 * (i - 1))), coefficient}};
      // Lower symbols may still be too high: they are reduced in this product.
      reduced = sum(reduced, product(rest, generators_[i - 1].radicand));
    }
  }
  Terms direct;
  for (const auto& [powers, coefficient] : collected) {
    if (!is_zero(coefficient)) direct.push_back({powers, coefficient});
  }
  return sum(direct, reduced);
}

std::optional<std::size_t> RootExtension::highest_generator(const Terms& x) const {
  std::uint64_t all = 0;
  for (const Term& term : x) all |= term.powers;
  if (all == 0) return std::nullopt;
  return static_cast<std::size_t>(63 - std::countl_zero(all)) / 4;
}

std::vector<Terms> RootExtension::parts(const Terms& x, std::size_t generator) const {
  std::vector<Terms> parts(static_cast<std::size_t>(generators_[generator].order));
  for (const Term& term : x) {
    const std::uint64_t power = digit(term.powers, generator);
    parts[power].push_back({term.powers - (power << (4 * generator)), term.coefficient});
  }
  return parts;
}

// (a + b s)(a - b s) = a^2 - b^2 g; (a + b s + c s^2)(a^2 - b c g + (c^2 g - a b) s + (b^2 - a c)
// s^2) = a^3 + b^3 g + c^3 g^2 - 3 a b c g.
Terms RootExtension::cofactor(const std::vector<Terms>& parts, std::size_t generator) const {
  const Terms s = symbol(generator);
  const Terms& g = generators_[generator].radicand;
  const Terms& a = parts[0];
  const Terms& b = parts[1];
  if (parts.size() == 2) return sum(a, negative(product(b, s)));
  const Terms& c = parts[2];
  const Terms constant = sum(product(a, a), negative(product(product(b, c), g)));
  const Terms linear = sum(product(product(c, c), g), negative(product(a, b)));
  const Terms square = sum(product(b, b), negative(product(a, c)));
  return sum(constant, product(s, sum(linear, product(s, square))));
}

// The symbol cancels. Zeros without an exponent slot that it leaves behind are dropped: such a slot
// comes from a coefficient of x, whose own powers lack it in the part that stays.
Terms RootExtension::norm(const Terms& x, std::size_t generator) const {
  return parts(product(x, cofactor(parts(x, generator), generator)), generator)[0];
}

std::optional<Terms> RootExtension::inverse(const Terms& x) const {
  const auto generator = highest_generator(x);
  if (!generator) {
    if (x.empty()) return std::nullopt;
    const Formal one_over = base_.divide(base_.integer(1), x[0].coefficient);
    return one_over.finite() ? std::optional(Terms{{0, one_over}}) : std::nullopt;
  }
  const Terms rest = cofactor(parts(x, *generator), *generator);
  const auto below = inverse(parts(product(x, rest), *generator)[0]);  // the norm
  return below ? std::optional(product(rest, *below)) : std::nullopt;
}

bool RootExtension::equal(const Terms& a, const Terms& b) const {
  const Formal zero = base_.integer(0);
  std::size_t i = 0, k = 0;
  while (i < a.size() || k < b.size()) {
    const bool left = k == b.size() || (i < a.size() && a[i].powers <= b[k].powers);
    const bool right = i == a.size() || (k < b.size() && b[k].powers <= a[i].powers);
    const Formal& x = left ? a[i].coefficient : zero;
    const Formal& y = right ? b[k].coefficient : zero;
    if (!base_.certainly_equal(x, y)) return false;
    i += left ? 1 : 0;
    k += right ? 1 : 0;
  }
  return true;
}

Formal::Slot RootExtension::slot(const Terms& x) const {
  Slot all = Slot::kKnown;
  for (const Term& term : x) all = std::max(all, term.coefficient.slot);
  return all;
}

}  // namespace lamina
