// The field of the identity tester's residues: literals, fresh values and arithmetic.
#include "num/residue.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace lamina {
namespace {

using Word = std::uint64_t;
using State = Residue::State;
using Slot = Residue::Slot;

Word add_mod(Word a, Word b, Word m) {
  const Word sum = a + b;
  return sum >= m ? sum - m : sum;
}
Word negate_mod(Word a, Word m) { return a == 0 ? 0 : m - a; }

Word integer_mod(std::int64_t value, Word m) {
  const Word magnitude =
      (value < 0 ? Word(0) - static_cast<Word>(value) : static_cast<Word>(value)) % m;
  return value < 0 ? negate_mod(magnitude, m) : magnitude;
}

// The fraction n/d with the smallest d <= 2^20 that rounds to `value`; d = 0 if there is none.
std::pair<std::int64_t, std::int64_t> small_fraction(double value) {
  std::int64_t n0 = 0, n1 = 1, d0 = 1, d1 = 0;
  double rest = value;
  for (int step = 0; step < 40; ++step) {
    const double whole = std::floor(rest);
    if (std::fabs(whole) > 1e15) break;
    const auto a = static_cast<std::int64_t>(whole);
    const double next_d =
        static_cast<double>(a) * static_cast<double>(d1) + static_cast<double>(d0);
    const double next_n =
        static_cast<double>(a) * static_cast<double>(n1) + static_cast<double>(n0);
    if (next_d > (1 << 20) || std::fabs(next_n) > 1e15) break;
    n0 = std::exchange(n1, a * n1 + n0);
    d0 = std::exchange(d1, a * d1 + d0);
    if (static_cast<double>(n1) / static_cast<double>(d1) == value) return {n1, d1};
    if (rest == whole) break;
    rest = 1.0 / (rest - whole);
  }
  return {0, 0};
}

// A finite double exactly: mantissa * 2^exponent.
Residue dyadic(const ResidueField& field, double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  Residue result = field.integer(static_cast<std::int64_t>(std::ldexp(fraction, 53)));
  exponent -= 53;
  const Residue two = field.integer(2);
  for (int i = 0; i < std::abs(exponent); ++i) result = exponent > 0 ? result * two : result / two;
  return result;
}

const ResidueField& field_of(const Residue& a, const Residue& b) {
  return a.field != nullptr ? *a.field : *b.field;
}

bool poisoned(const Residue& a, const Residue& b) {
  return a.state == State::kPoison || b.state == State::kPoison;
}

bool is_one(const Residue& x) { return x.constant && x.finite() && x.p == 1 && x.q == 1; }

}  // namespace

bool Residue::agrees(const Residue& other) const {
  if (state != other.state || state == State::kPoison) return false;
  if (state != State::kFinite) return true;
  return p == other.p && (!has_q() || !other.has_q() || q == other.q);
}

std::uint64_t ResidueField::Modulus::power(std::uint64_t base, std::uint64_t exponent) const {
  Word result = 1 % modulus;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = mul(result, base);
    base = mul(base, base);
  }
  return result;
}

ResidueField::ResidueField(std::uint64_t p, std::uint64_t q, std::uint64_t omega,
                           std::uint64_t (*next_random)(void*), void* random_state)
    : p_(p), q_(q), omega_(omega), next_random_(next_random), random_state_(random_state) {
  Word base = omega;
  for (auto& row : powers_) {
    row[0] = 1;
    for (std::size_t i = 1; i < row.size(); ++i) row[i] = mul_p(row[i - 1], base);
    base = mul_p(row[255], base);
  }
}

std::uint64_t ResidueField::exp_of(std::uint64_t exponent) const {
  Word result = powers_[0][exponent & 255];
  for (std::size_t i = 1; i < powers_.size(); ++i) {
    result = mul_p(result, powers_[i][(exponent >> (8 * i)) & 255]);
  }
  return result;
}

Residue ResidueField::finite(std::uint64_t p, std::uint64_t q, Slot slot) const {
  return {this,           p,    slot == Slot::kKnown ? static_cast<std::uint32_t>(q) : 0,
          State::kFinite, slot, false,
          false};
}

Residue ResidueField::constant(double value) const {
  if (std::isnan(value)) return poison();
  if (std::isinf(value)) return infinity(value < 0);
  const auto [n, d] = small_fraction(value);
  return d == 0 ? dyadic(*this, value) : integer(n) / integer(d);
}

Residue ResidueField::integer(std::int64_t value) const {
  Residue x = finite(integer_mod(value, p()), integer_mod(value, q()), Slot::kKnown);
  x.constant = true;
  x.bit = value == 0 || value == 1;
  return x;
}

std::uint64_t ResidueField::uniform(std::uint64_t modulus) const {
  const Word mask = ~Word(0) >> std::countl_zero(modulus);
  Word word = next_random_(random_state_) & mask;
  while (word >= modulus) word = next_random_(random_state_) & mask;
  return word;
}

Residue ResidueField::random() const { return finite(uniform(p()), uniform(q()), Slot::kKnown); }

Residue ResidueField::poison() const {
  return {this, 0, 0, State::kPoison, Slot::kAbsent, false, false};
}

Residue ResidueField::infinity(bool negative) const {
  return {this,          0,     0,    negative ? State::kMinusInfinity : State::kPlusInfinity,
          Slot::kAbsent, false, false};
}

std::optional<std::int64_t> ResidueField::known_integer(const Residue& x) const {
  if (!x.constant || !x.finite() || !x.has_q()) return std::nullopt;
  const bool negative = x.p > p() / 2;
  const auto magnitude = static_cast<std::int64_t>(negative ? p() - x.p : x.p);
  if (magnitude >= std::int64_t{1} << 31) return std::nullopt;
  const std::int64_t value = negative ? -magnitude : magnitude;
  if (integer_mod(value, q()) != x.q) return std::nullopt;
  return value;
}

std::size_t ResidueField::KeyHash::operator()(const Key& key) const {
  Word hash = 0;
  for (const Word word : key) hash = (std::rotl(hash, 23) ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 32);
}

std::uint64_t ResidueField::function_id(std::string_view name, bool counted) const {
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    if (functions_[i].name == name) return i;
  }
  functions_.push_back({std::string(name), counted, 0});
  return functions_.size() - 1;
}

Residue ResidueField::fresh(std::string_view name, std::span<const Residue> operands,
                            bool counted) const {
  const Word id = function_id(name, counted);
  Key key{id, 0, 0, 0};
  Fresh entry{};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Residue& x = operands[i];
    if (x.state == State::kPoison) return poison();
    key[0] = key[0] << 2 | static_cast<Word>(x.state);
    key[1 + i] = x.p;
    entry.operand_q[i] = x.q;
    entry.known[i] = x.has_q() || !x.finite();
  }
  const auto same = [&](const Fresh& other) {
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const bool both = entry.known[i] && other.known[i];
      if (both && entry.operand_q[i] != other.operand_q[i]) return false;
    }
    return true;
  };
  const auto [first, last] = table_.equal_range(key);
  for (auto at = first; at != last; ++at) {
    if (same(at->second)) return finite(at->second.p, at->second.q, Slot::kKnown);
  }
  const Residue value = random();
  entry.p = value.p;
  entry.q = value.q;
  table_.emplace(key, entry);
  ++functions_[id].values;
  return value;
}

const ResidueField::Join* ResidueField::join_of(const Residue& x) const {
  const auto found = joins_.find(x.p);
  return found == joins_.end() ? nullptr : &found->second;
}

Residue ResidueField::tag(const Residue& x) const {
  const Join* join = join_of(x);
  return join != nullptr ? join->tags : fresh("tag", {&x, 1}, false);
}

Residue ResidueField::greatest(const Residue& a, const Residue& b) const {
  if (a.agrees(b)) return a.has_q() ? a : b;
  for (const auto& [whole, part] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    const Join* join = join_of(*whole);
    if (join != nullptr && (join->a.agrees(*part) || join->b.agrees(*part))) return *whole;
  }
  const Residue tags = tag(a) + tag(b);
  const Residue result = fresh("max", {&tags, 1});
  joins_.try_emplace(result.p, Join{tags, a, b});
  return result;
}

std::map<std::string, std::size_t> ResidueField::fresh_counts() const {
  std::map<std::string, std::size_t> counts;
  for (const Function& function : functions_) {
    if (function.counted && function.values > 0) counts[function.name] = function.values;
  }
  return counts;
}

Residue operator+(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  if (poisoned(a, b)) return f.poison();
  if (!a.finite() || !b.finite()) {
    if (!a.finite() && !b.finite() && a.state != b.state) return f.poison();
    return a.finite() ? b : a;
  }
  Residue sum =
      f.finite(add_mod(a.p, b.p, f.p()), add_mod(a.q, b.q, f.q()), std::max(a.slot, b.slot));
  sum.constant = a.constant && b.constant;
  return sum;
}

Residue operator-(const Residue& x) {
  const ResidueField& f = *x.field;
  if (x.state == State::kMinusInfinity) return f.infinity(false);
  if (x.state == State::kPlusInfinity) return f.infinity(true);
  if (!x.finite()) return x;
  Residue negative = f.finite(negate_mod(x.p, f.p()), negate_mod(x.q, f.q()), x.slot);
  negative.constant = x.constant;
  return negative;
}

Residue operator-(const Residue& a, const Residue& b) {
  Residue difference = a + (-b);
  difference.bit = is_one(a) && b.bit;  // logical not
  return difference;
}

Residue operator*(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  // The sign of a residue is unknown, so infinity times anything is unknown too.
  if (!a.finite() || !b.finite()) return f.poison();
  Residue product = f.finite(f.mul_p(a.p, b.p), f.mul_q(a.q, b.q), std::max(a.slot, b.slot));
  product.constant = a.constant && b.constant;
  product.bit = a.bit && b.bit;
  return product;
}

Residue operator/(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  if (!a.finite() || !b.finite() || b.p == 0) return f.poison();
  Slot slot = std::max(a.slot, b.slot);
  // A zero divisor in Q alone loses only the exponent slot of this value.
  if (slot == Slot::kKnown && b.q == 0) slot = Slot::kVoid;
  const Word q = slot == Slot::kKnown ? f.mul_q(a.q, f.inverse_q(b.q)) : 0;
  Residue quotient = f.finite(f.mul_p(a.p, f.inverse_p(b.p)), q, slot);
  quotient.constant = a.constant && b.constant;
  return quotient;
}

Residue like(const Residue& x, double c) { return x.field->constant(c); }

}  // namespace lamina
