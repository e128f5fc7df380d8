// Residues one operation at a time, and uninterpreted functions in maps.
#include "verify/plain_field.h"

#include <algorithm>

#include "verify/plain_numbers.h"

namespace lamina {
namespace {

using Slot = Formal::Slot;

std::uint32_t narrow(std::uint64_t residue) { return static_cast<std::uint32_t>(residue); }

}  // namespace

Formal PlainField::blank(Slot slot) const {
  Formal x;
  x.algebra = this;
  x.slot = slot;
  return x;
}

Formal PlainField::random() const {
  Formal x = blank(Slot::kKnown);
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.p[i] = random_.below(pairs_[i].p);
    x.q[i] = narrow(random_.below(pairs_[i].q));
  }
  return x;
}

Formal PlainField::add(const Formal& a, const Formal& b) const {
  Formal x = blank(std::max(a.slot, b.slot));
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.p[i] = plain::add(a.p[i], b.p[i], pairs_[i].p);
    if (x.has_q()) x.q[i] = narrow(plain::add(a.q[i], b.q[i], pairs_[i].q));
  }
  return x;
}

Formal PlainField::negate(const Formal& a) const {
  Formal x = blank(a.slot);
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.p[i] = plain::negate(a.p[i], pairs_[i].p);
    if (x.has_q()) x.q[i] = narrow(plain::negate(a.q[i], pairs_[i].q));
  }
  return x;
}

Formal PlainField::multiply(const Formal& a, const Formal& b) const {
  Formal x = blank(std::max(a.slot, b.slot));
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.p[i] = plain::multiply(a.p[i], b.p[i], pairs_[i].p);
    if (x.has_q()) x.q[i] = narrow(plain::multiply(a.q[i], b.q[i], pairs_[i].q));
  }
  return x;
}

// A zero modulo a p poisons all lanes; one modulo a q alone costs the exponents of all lanes.
Formal PlainField::divide(const Formal& a, const Formal& b) const {
  Slot slot = std::max(a.slot, b.slot);
  if (std::count(b.p.begin(), b.p.end(), 0) > 0) return poison();
  if (slot == Slot::kKnown && std::count(b.q.begin(), b.q.end(), 0) > 0) slot = Slot::kVoid;
  Formal reciprocal = blank(slot);
  for (std::size_t i = 0; i < kLanes; ++i) {
    reciprocal.p[i] = plain::inverse(b.p[i], pairs_[i].p);
    if (reciprocal.has_q()) reciprocal.q[i] = narrow(plain::inverse(b.q[i], pairs_[i].q));
  }
  return multiply(a, reciprocal);
}

Formal PlainField::integer(std::int64_t value) const {
  Formal x = blank(Slot::kKnown);
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.p[i] = plain::residue(value, pairs_[i].p);
    x.q[i] = narrow(plain::residue(value, pairs_[i].q));
  }
  x.constant = true;
  x.bit = value == 0 || value == 1;
  return x;
}

Formal PlainField::exponential(const Formal& x, bool turned) const {
  Formal result = blank(Slot::kAbsent);
  for (std::size_t i = 0; i < kLanes; ++i) {
    const PlainPair& pair = pairs_[i];
    const std::uint64_t exponent = turned ? plain::multiply(x.q[i], pair.root_q, pair.q) : x.q[i];
    result.p[i] = plain::power(pair.omega, exponent, pair.p);
  }
  return result;
}

std::optional<Formal> PlainField::imaginary() const {
  if (pairs_[0].root_p == 0) return std::nullopt;
  Formal x = blank(Slot::kAbsent);
  for (std::size_t i = 0; i < kLanes; ++i) x.p[i] = pairs_[i].root_p;
  return x;
}

// Small ones only: below 2^31, so that no other small integer has the same residues.
std::optional<std::int64_t> PlainField::known_integer(const Formal& x) const {
  if (!x.constant || !x.finite() || !x.has_q()) return std::nullopt;
  auto value = static_cast<std::int64_t>(x.p[0]);
  if (x.p[0] > pairs_[0].p / 2) value -= static_cast<std::int64_t>(pairs_[0].p);
  constexpr std::int64_t kEnd = std::int64_t{1} << 31;
  if (value <= -kEnd || value >= kEnd) return std::nullopt;
  const Formal same = integer(value);
  return same.p == x.p && same.q == x.q ? std::optional(value) : std::nullopt;
}

bool PlainField::certainly_equal(const Formal& a, const Formal& b) const {
  const bool exponents = a.has_q() && b.has_q();
  return a.p == b.p && (!exponents || a.q == b.q);
}

bool PlainField::leads(const Formal& x) const { return x.p[0] <= pairs_[0].p / 2; }

// Operands are the same where their residues modulo all p are, and the exponents that both know.
Formal PlainField::fresh(std::string_view name, std::span<const Formal> operands) const {
  Key key{std::string(name), {}, {}};
  for (const Formal& x : operands) {
    std::get<1>(key).push_back(x.state);
    std::get<2>(key).push_back(x.p);
  }
  std::vector<Entry>& entries = functions_[key];
  for (const Entry& entry : entries) {
    bool same = true;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      same = same && certainly_equal(operands[i], entry.operands[i]);
    }
    if (same) return entry.value;
  }
  ++fresh_counts_[std::string(name)];
  entries.push_back({{operands.begin(), operands.end()}, new_variable(random())});
  return entries.back().value;
}

Formal PlainField::shifted(const Formal& x) const {
  if (!secret_) secret_ = random();
  return add(*secret_, x);
}

PlainField::Join PlainField::join_of(const Formal& x) const {
  const auto found = joins_.find(x.p);
  return found == joins_.end() ? Join{shifted(x), 1, {x}} : found->second;
}

PlainField::Join PlainField::joined(std::span<const Formal> operands) const {
  constexpr std::size_t kMostParts = 8;
  std::vector<Join> joins;
  std::vector<Formal> parts;
  bool listed = true;
  for (const Formal& x : operands) {
    joins.push_back(join_of(x));
    listed = listed && !joins.back().parts.empty();
    for (const Formal& part : joins.back().parts) {
      if (parts.size() > kMostParts) break;
      if (std::none_of(parts.begin(), parts.end(),
                       [&](const Formal& other) { return other.agrees(part); })) {
        parts.push_back(part);
      }
    }
  }
  if (listed && parts.size() <= kMostParts) {
    joins.clear();
    for (const Formal& part : parts) joins.push_back({shifted(part), 1, {}});
  } else {
    parts.clear();
  }
  Join all{integer(1), 0, parts};
  for (const Join& join : joins) {
    all.product = multiply(all.product, join.product);
    all.count += join.count;
  }
  return all;
}

Formal PlainField::greatest(std::span<const Formal> operands) const {
  const Join join = joined(operands);
  if (join.count == 1) return join.parts[0];
  Formal set = blank(Slot::kAbsent);
  set.p = join.product.p;
  const Formal key[] = {set, integer(static_cast<std::int64_t>(join.count))};
  const Formal result = fresh("max", key);
  joins_.try_emplace(result.p, join);
  return result;
}

// A product with an infinite or undefined factor is undefined. Like those of an exact sum, the
// tags of the terms are forgotten.
void PlainField::dots(const Strided<Formal>& a, const Strided<Formal>& b, std::int64_t n,
                      std::span<Formal> totals) const {
  if (n == 0) return;
  for (std::size_t j = 0; j < totals.size(); ++j) {
    const auto column = static_cast<std::int64_t>(j);
    Formal sum = blank(Slot::kKnown);
    for (std::int64_t k = 0; k < n && sum.finite(); ++k) {
      const Formal& x = a.at[k * a.step + column * a.next];
      const Formal& y = b.at[k * b.step + column * b.next];
      sum = x.finite() && y.finite() ? add(sum, multiply(x, y)) : poison();
    }
    totals[j] = sum.finite() ? totals[j] + sum : poison();
  }
}

}  // namespace lamina
