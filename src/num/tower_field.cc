// Sums of basis elements as exponents.
#include "num/tower_field.h"

#include <algorithm>
#include <stdexcept>

namespace lamina {
namespace {

using Slot = Formal::Slot;

constexpr std::size_t kMostElements = 1 << 16;
constexpr std::size_t kMostTerms = 64;

}  // namespace

TowerField::TowerField(const ResidueField& base) : base_(base) {
  for (std::size_t i = 0; i < kLanes; ++i) q_[i] = Modulus(base.pairs()[i].q);
  number_of({});
}

Formal TowerField::kept(Element element, Slot slot) const {
  if (elements_.size() == kMostElements || element.exponent.size() > kMostTerms) {
    throw std::length_error("too many values with nested exponentials");
  }
  Formal x;
  x.algebra = this;
  x.slot = slot;
  x.p[0] = elements_.size();
  if (slot != Slot::kKnown) element.exponent.clear();
  element.residue.slot = Slot::kAbsent;
  element.residue.memory = 0;
  elements_.push_back(std::move(element));
  return x;
}

Formal TowerField::lift(const Formal& residue) const {
  Sum exponent;
  if (residue.has_q() && residue.q != Residues{}) exponent = {{0, residue.q}};
  Formal x = kept({residue, exponent}, residue.slot);
  x.constant = residue.constant;
  x.bit = residue.bit;
  return x;
}

Formal TowerField::integer(std::int64_t value) const { return lift(base_.integer(value)); }

// The number of the basis element e^exponent, with a random weight; that of 1 is 1.
std::uint32_t TowerField::number_of(const Sum& exponent) const {
  const auto [at, added] =
      numbers_.try_emplace(exponent, static_cast<std::uint32_t>(basis_.size()));
  if (added) {
    weights_.push_back(basis_.empty() ? base_.integer(1) : base_.random());
    basis_.push_back(exponent);
  }
  return at->second;
}

std::uint32_t TowerField::product_of(std::uint32_t a, std::uint32_t b) const {
  if (a == 0 || b == 0) return a + b;
  return number_of(sum(Sum(basis_[a]), Sum(basis_[b])));
}

TowerField::Sum TowerField::sum(const Sum& a, const Sum& b) const {
  std::map<std::uint32_t, Residues> total(a.begin(), a.end());
  for (const auto& [number, coefficient] : b) {
    Residues& to = total[number];
    for (std::size_t i = 0; i < kLanes; ++i) {
      to[i] = static_cast<std::uint32_t>(q_[i].add(to[i], coefficient[i]));
    }
  }
  std::erase_if(total, [](const auto& term) { return term.second == Residues{}; });
  return {total.begin(), total.end()};
}

// x * factor * [times].
TowerField::Sum TowerField::scaled(const Sum& x, const Residues& factor,
                                   std::uint32_t times) const {
  Sum result;
  for (const auto& [number, coefficient] : x) {
    Residues product;
    for (std::size_t i = 0; i < kLanes; ++i) {
      product[i] = static_cast<std::uint32_t>(q_[i].multiply(coefficient[i], factor[i]));
    }
    result = sum(result, {{product_of(number, times), product}});
  }
  return result;
}

Formal TowerField::add(const Formal& a, const Formal& b) const {
  const Element x = element(a), y = element(b);
  return kept({base_.add(x.residue, y.residue), sum(x.exponent, y.exponent)},
              std::max(a.slot, b.slot));
}

Formal TowerField::negate(const Formal& a) const {
  const Element x = element(a);
  const Residues minus_one = base_.integer(-1).q;
  return kept({base_.negate(x.residue), scaled(x.exponent, minus_one, 0)}, a.slot);
}

Formal TowerField::multiply(const Formal& a, const Formal& b) const {
  const Element x = element(a), y = element(b);
  Element product{base_.multiply(x.residue, y.residue), {}};
  const Slot slot = std::max(a.slot, b.slot);
  if (slot == Slot::kKnown) {
    for (const auto& [number, coefficient] : y.exponent) {
      product.exponent = sum(product.exponent, scaled(x.exponent, coefficient, number));
    }
  }
  return kept(std::move(product), slot);
}

// A sum of several basis elements has no inverse among the exponents.
Formal TowerField::divide(const Formal& a, const Formal& b) const {
  const Element x = element(a), y = element(b);
  Element quotient{base_.divide(x.residue, y.residue), {}};
  Slot slot = std::max(a.slot, b.slot);
  if (slot == Slot::kKnown && y.exponent.size() != 1) slot = Slot::kVoid;
  if (slot == Slot::kKnown) {
    const auto& [number, coefficient] = y.exponent[0];
    Residues inverse;
    for (std::size_t i = 0; i < kLanes; ++i) {
      if (coefficient[i] == 0) slot = Slot::kVoid;
      inverse[i] = static_cast<std::uint32_t>(q_[i].inverse(coefficient[i]));
    }
    const Sum below = scaled(Sum(basis_[number]), base_.integer(-1).q, 0);
    if (slot == Slot::kKnown) {
      quotient.exponent = scaled(x.exponent, inverse, number_of(below));
    }
  }
  if (y.exponent.size() > 1) slot = std::max(a.slot, std::max(b.slot, Slot::kAbsent));
  quotients_.push_back(slot);
  if (!quotient.residue.finite()) return poison();
  return kept(std::move(quotient), slot);
}

Formal TowerField::exponential(const Formal& x, bool turned) const {
  Sum exponent = element(x).exponent;
  if (turned) {
    Residues i_q;
    for (std::size_t i = 0; i < kLanes; ++i) {
      i_q[i] = static_cast<std::uint32_t>(base_.pairs()[i].root_q);
    }
    exponent = scaled(exponent, i_q, 0);
  }
  Formal weighted = base_.integer(0);
  for (const auto& [number, coefficient] : exponent) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      weighted.q[i] = static_cast<std::uint32_t>(
          q_[i].add(weighted.q[i], q_[i].multiply(coefficient[i], weights_[number].q[i])));
    }
  }
  Residues one;
  one.fill(1);
  return kept({base_.exponential(weighted, false), {{number_of(exponent), one}}}, Slot::kKnown);
}

std::optional<Formal> TowerField::imaginary() const {
  const auto i = base_.imaginary();
  return i ? std::optional(lift(*i)) : std::nullopt;
}

std::optional<std::int64_t> TowerField::known_integer(const Formal& x) const {
  if (!x.constant || !x.finite() || !x.has_q()) return std::nullopt;
  const Element& value = element(x);
  Formal residue = value.residue;
  if (value.exponent.size() > 1 || (!value.exponent.empty() && value.exponent[0].first != 0)) {
    return std::nullopt;
  }
  residue.slot = Slot::kKnown;
  residue.q = value.exponent.empty() ? Residues{} : value.exponent[0].second;
  residue.constant = true;
  return base_.known_integer(residue);
}

bool TowerField::certainly_equal(const Formal& a, const Formal& b) const {
  const bool same = !a.has_q() || !b.has_q() || element(a).exponent == element(b).exponent;
  return same && element(a).residue.p == element(b).residue.p;
}

bool TowerField::leads(const Formal& x) const { return base_.leads(element(x).residue); }

// As an operand of a free variable: known by its residues modulo p.
Formal TowerField::plain(const Formal& x) const {
  if (!x.finite()) return x;
  return element(x).residue;
}

Formal TowerField::fresh(std::string_view name, std::span<const Formal> operands) const {
  std::vector<Formal> plainly;
  for (const Formal& x : operands) plainly.push_back(plain(x));
  return new_variable(lift(base_.fresh(name, plainly)));
}

Formal TowerField::greatest(std::span<const Formal> operands) const {
  std::vector<Formal> plainly;
  for (const Formal& x : operands) plainly.push_back(plain(x));
  Formal result = lift(base_.greatest(plainly));
  return result.has_q() ? new_variable(result) : result;
}

}  // namespace lamina
