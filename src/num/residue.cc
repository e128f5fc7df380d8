// Arithmetic of the identity tester's residues.
#include "num/residue.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace lamina {
namespace {

using Word = std::uint64_t;
using Wide = unsigned __int128;
using State = Residue::State;

Word mul_mod(Word a, Word b, Word m) { return static_cast<Word>(Wide(a) * b % m); }
Word add_mod(Word a, Word b, Word m) {
  const Word sum = a + b;
  return sum >= m ? sum - m : sum;
}
Word sub_mod(Word a, Word b, Word m) { return a >= b ? a - b : a + m - b; }

Word pow_mod(Word base, Word exponent, Word m) {
  Word result = 1 % m;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = mul_mod(result, base, m);
    base = mul_mod(base, base, m);
  }
  return result;
}

Word inverse_mod(Word a, Word m) { return pow_mod(a, m - 2, m); }

Word integer_mod(std::int64_t value, Word m) {
  const Word magnitude =
      (value < 0 ? Word(0) - static_cast<Word>(value) : static_cast<Word>(value)) % m;
  return value < 0 && magnitude != 0 ? m - magnitude : magnitude;
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
Word dyadic_mod(double value, Word m) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  const auto mantissa = static_cast<std::int64_t>(std::ldexp(fraction, 53));
  exponent -= 53;
  const Word two = exponent >= 0 ? 2 : inverse_mod(2, m);
  const Word scale = pow_mod(two, static_cast<Word>(std::abs(exponent)), m);
  return mul_mod(integer_mod(mantissa, m), scale, m);
}

const ResidueField& field_of(const Residue& a, const Residue& b) {
  return a.field != nullptr ? *a.field : *b.field;
}

bool poisoned(const Residue& a, const Residue& b) {
  return a.state == State::kPoison || b.state == State::kPoison;
}

Residue unary(std::string_view name, const Residue& x) { return x.field->fresh(name, {&x, 1}); }

Residue binary(std::string_view name, const Residue& a, const Residue& b, bool commutative) {
  const Residue operands[] = {a, b};
  return field_of(a, b).fresh(name, operands, commutative);
}

Residue one(const Residue& x) { return x.field->integer(1); }

}  // namespace

bool Residue::agrees(const Residue& other) const {
  if (state != other.state) return false;
  if (state != State::kFinite) return true;
  return p == other.p && (!has_q || !other.has_q || q == other.q);
}

ResidueField::ResidueField(std::uint64_t p, std::uint64_t q, std::uint64_t omega,
                           std::uint64_t (*next_random)(void*), void* random_state)
    : p_(p), q_(q), omega_(omega), next_random_(next_random), random_state_(random_state) {}

Residue ResidueField::constant(double value) const {
  if (std::isnan(value)) return poison();
  if (std::isinf(value)) return infinity(value < 0);
  const auto [n, d] = small_fraction(value);
  if (d == 0) return {this, dyadic_mod(value, p_), dyadic_mod(value, q_), true, State::kFinite};
  return integer(n) / integer(d);
}

Residue ResidueField::integer(std::int64_t value) const {
  return {this, integer_mod(value, p_), integer_mod(value, q_), true, State::kFinite};
}

Residue ResidueField::random() const {
  const auto uniform = [&](Word m) {
    const Word limit = ~Word(0) - ~Word(0) % m;
    Word word = next_random_(random_state_);
    while (word >= limit) word = next_random_(random_state_);
    return word % m;
  };
  return {this, uniform(p_), uniform(q_), true, State::kFinite};
}

Residue ResidueField::poison() const { return {this, 0, 0, false, State::kPoison}; }

Residue ResidueField::infinity(bool negative) const {
  return {this, 0, 0, false, negative ? State::kMinusInfinity : State::kPlusInfinity};
}

Residue ResidueField::fresh(std::string_view name, std::span<const Residue> operands,
                            bool commutative) const {
  std::vector<std::vector<Word>> parts;
  for (const Residue& x : operands) {
    if (x.state == State::kPoison) return poison();
    // Keys take Q only where it is defined, and say so (identity_referee, trap B5).
    parts.push_back({static_cast<Word>(x.state), x.p, Word(x.has_q), x.has_q ? x.q : 0});
  }
  if (commutative) std::sort(parts.begin(), parts.end());
  std::vector<Word> key(name.begin(), name.end());
  key.push_back(~Word(0));
  for (const auto& part : parts) key.insert(key.end(), part.begin(), part.end());
  const auto [entry, inserted] = table_.try_emplace(std::move(key));
  if (inserted) {
    const Residue value = random();
    entry->second = {value.p, value.q};
  }
  return {this, entry->second.first, entry->second.second, true, State::kFinite};
}

std::uint64_t ResidueField::mul_p(std::uint64_t a, std::uint64_t b) const {
  return mul_mod(a, b, p_);
}
std::uint64_t ResidueField::mul_q(std::uint64_t a, std::uint64_t b) const {
  return mul_mod(a, b, q_);
}
std::uint64_t ResidueField::exp_of(std::uint64_t exponent) const {
  return pow_mod(omega_, exponent, p_);
}

Residue operator+(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  if (poisoned(a, b)) return f.poison();
  if (!a.finite() || !b.finite()) {
    if (!a.finite() && !b.finite() && a.state != b.state) return f.poison();
    return a.finite() ? b : a;
  }
  const bool has_q = a.has_q && b.has_q;
  return {&f, add_mod(a.p, b.p, f.p()), has_q ? add_mod(a.q, b.q, f.q()) : 0, has_q,
          State::kFinite};
}

Residue operator-(const Residue& x) {
  const ResidueField& f = *x.field;
  if (x.state == State::kMinusInfinity) return f.infinity(false);
  if (x.state == State::kPlusInfinity) return f.infinity(true);
  if (!x.finite()) return x;
  return {&f, sub_mod(0, x.p, f.p()), sub_mod(0, x.q, f.q()), x.has_q, State::kFinite};
}

Residue operator-(const Residue& a, const Residue& b) { return a + (-b); }

Residue operator*(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  // The sign of a residue is unknown, so infinity times anything is unknown too.
  if (!a.finite() || !b.finite()) return f.poison();
  const bool has_q = a.has_q && b.has_q;
  return {&f, f.mul_p(a.p, b.p), has_q ? f.mul_q(a.q, b.q) : 0, has_q, State::kFinite};
}

Residue operator/(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  if (!a.finite() || !b.finite() || b.p == 0) return f.poison();
  // A zero divisor in Q alone loses only the exponent slot of this value.
  const bool has_q = a.has_q && b.has_q && b.q != 0;
  return {&f, f.mul_p(a.p, inverse_mod(b.p, f.p())),
          has_q ? f.mul_q(a.q, inverse_mod(b.q, f.q())) : 0, has_q, State::kFinite};
}

Residue like(const Residue& x, double c) { return x.field->constant(c); }

Residue exp(const Residue& x) {
  const ResidueField& f = *x.field;
  if (x.state == State::kMinusInfinity) return f.integer(0);
  if (x.state == State::kPlusInfinity) return x;
  if (!x.finite()) return f.poison();
  if (!x.has_q) return unary("exp", x);  // exp of an exponential: outside the fragment
  return {&f, f.exp_of(x.q), 0, false, State::kFinite};
}

Residue max(const Residue& a, const Residue& b) {
  if (a.state == State::kMinusInfinity || b.state == State::kPlusInfinity) return b;
  if (b.state == State::kMinusInfinity || a.state == State::kPlusInfinity) return a;
  if (a.finite() && a.agrees(b) && a.has_q == b.has_q) return a;
  return binary("max", a, b, true);
}

Residue min(const Residue& a, const Residue& b) {
  if (a.state == State::kPlusInfinity || b.state == State::kMinusInfinity) return b;
  if (b.state == State::kPlusInfinity || a.state == State::kMinusInfinity) return a;
  if (a.finite() && a.agrees(b) && a.has_q == b.has_q) return a;
  return binary("min", a, b, true);
}

Residue select(const Residue& c, const Residue& a, const Residue& b) {
  const ResidueField& f = *c.field;
  if (c.state == State::kPoison) return c;
  // A condition that is the constant 0 or 1 (a mask from concrete integers) decides.
  if (c.finite() && c.has_q && c.p == c.q && c.p <= 1) return c.p == 1 ? a : b;
  if (a.agrees(b) && a.has_q == b.has_q) return a;
  const Residue operands[] = {c, a, b};
  return f.fresh("select", operands);
}

Residue pow(const Residue& x, const Residue& y) {
  const ResidueField& f = field_of(x, y);
  if (poisoned(x, y)) return f.poison();
  // Small integer exponents are products.
  if (x.finite() && y.finite() && y.has_q && y.p == y.q && y.p <= 64) {
    Residue result = f.integer(1);
    for (std::uint64_t i = 0; i < y.p; ++i) result = result * x;
    return result;
  }
  if (y.agrees(f.integer(-1)) && y.has_q) return f.integer(1) / x;
  if (y.agrees(f.constant(0.5)) && y.has_q) return sqrt(x);
  return binary("pow", x, y, false);
}

Residue less(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  if (poisoned(a, b)) return f.poison();
  if (a.agrees(b) && a.has_q == b.has_q) return f.integer(0);
  if (a.state == State::kMinusInfinity || b.state == State::kPlusInfinity) return f.integer(1);
  if (b.state == State::kMinusInfinity || a.state == State::kPlusInfinity) return f.integer(0);
  return binary("less", a, b, false);
}

Residue equal(const Residue& a, const Residue& b) {
  const ResidueField& f = field_of(a, b);
  if (poisoned(a, b)) return f.poison();
  if (a.agrees(b) && a.has_q == b.has_q) return f.integer(1);
  if (!a.finite() || !b.finite()) return f.integer(0);
  return binary("equal", a, b, true);
}

// Exact forms through the exponential (identity.md, operators).
Residue sigmoid(const Residue& x) {
  if (x.state == State::kMinusInfinity) return x.field->integer(0);
  return one(x) / (one(x) + exp(-x));
}
Residue tanh(const Residue& x) {
  const Residue e = exp(x + x);
  return (e - one(x)) / (e + one(x));
}
Residue sinh(const Residue& x) { return (exp(x) - exp(-x)) / x.field->integer(2); }
Residue cosh(const Residue& x) { return (exp(x) + exp(-x)) / x.field->integer(2); }
Residue softplus(const Residue& x) { return log(one(x) + exp(x)); }

Residue abs(const Residue& x) { return unary("abs", x); }
Residue sign(const Residue& x) { return unary("sign", x); }
Residue log(const Residue& x) { return unary("log", x); }
Residue sqrt(const Residue& x) { return unary("sqrt", x); }
Residue erf(const Residue& x) { return unary("erf", x); }
Residue sin(const Residue& x) { return unary("sin", x); }
Residue cos(const Residue& x) { return unary("cos", x); }
Residue tan(const Residue& x) { return sin(x) / cos(x); }
Residue asin(const Residue& x) { return unary("asin", x); }
Residue acos(const Residue& x) { return unary("acos", x); }
Residue atan(const Residue& x) { return unary("atan", x); }
Residue asinh(const Residue& x) { return unary("asinh", x); }
Residue acosh(const Residue& x) { return unary("acosh", x); }
Residue atanh(const Residue& x) { return unary("atanh", x); }
Residue floor(const Residue& x) { return unary("floor", x); }
Residue ceil(const Residue& x) { return unary("ceil", x); }
Residue round(const Residue& x) { return unary("round", x); }
Residue trunc(const Residue& x) { return unary("trunc", x); }
Residue is_nan(const Residue& x) { return x.finite() ? x.field->integer(0) : unary("is_nan", x); }
Residue is_inf(const Residue& x) { return x.field->integer(x.finite() ? 0 : 1); }
Residue mod(const Residue& a, const Residue& b) { return binary("mod", a, b, false); }
Residue fmod(const Residue& a, const Residue& b) { return binary("fmod", a, b, false); }

}  // namespace lamina
