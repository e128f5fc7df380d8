// Exact normal forms of small programs: sums of f_j e^(r_j) with all their terms, what the bounds
// claim to majorise. Slow and plain on purpose: it shares nothing with the algebras it is compared
// with.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace lamina::verify_test {

constexpr std::size_t kExactVariables = 5;
using Monomial = std::array<std::uint8_t, kExactVariables>;
using IntegerPolynomial = std::map<Monomial, __int128>;

// What grows too large is given up.
struct TooLarge {};

inline void accumulate(IntegerPolynomial& sum, const Monomial& m, __int128 c) {
  constexpr __int128 kLargest = __int128{1} << 100;
  __int128& at = sum[m];
  at += c;
  if (at > kLargest || at < -kLargest) throw TooLarge{};
  if (at == 0) sum.erase(m);
  if (sum.size() > 300) throw TooLarge{};
}

inline IntegerPolynomial constant_polynomial(__int128 value) {
  IntegerPolynomial p;
  accumulate(p, {}, value);
  return p;
}

inline IntegerPolynomial plus(IntegerPolynomial a, const IntegerPolynomial& b, __int128 factor) {
  for (const auto& [m, c] : b) accumulate(a, m, factor * c);
  return a;
}

inline IntegerPolynomial times(const IntegerPolynomial& a, const IntegerPolynomial& b) {
  IntegerPolynomial product;
  for (const auto& [m, c] : a) {
    for (const auto& [n, d] : b) {
      Monomial both{};
      for (std::size_t i = 0; i < both.size(); ++i) {
        both[i] = static_cast<std::uint8_t>(m[i] + n[i]);
        if (both[i] > 60) throw TooLarge{};
      }
      if (c > (__int128{1} << 60) || c < -(__int128{1} << 60)) throw TooLarge{};
      if (d > (__int128{1} << 60) || d < -(__int128{1} << 60)) throw TooLarge{};
      accumulate(product, both, c * d);
    }
  }
  return product;
}

inline double degree_of(const IntegerPolynomial& p) {
  int most = 0;
  for (const auto& [m, c] : p) {
    int degree = 0;
    for (const std::uint8_t e : m) degree += e;
    most = std::max(most, degree);
  }
  return most;
}

inline double norm_of(const IntegerPolynomial& p) {
  double norm = 0.0;
  for (const auto& [m, c] : p) norm += static_cast<double>(c < 0 ? -c : c);
  return norm;
}

// Arguments of exponentials G / H, by number; shared by all values of one program.
struct ExactArguments {
  std::vector<std::pair<IntegerPolynomial, IntegerPolynomial>> fractions;
};

// An integer combination of arguments.
using ExactExponent = std::map<std::size_t, int>;

// The numerator of an exponent over the product of the distinct denominators that take part, and
// the number of these.
inline std::pair<IntegerPolynomial, std::size_t> numerator_of(const ExactArguments& arguments,
                                                              const ExactExponent& exponent) {
  std::vector<IntegerPolynomial> below;
  for (const auto& [g, n] : exponent) {
    const IntegerPolynomial& h = arguments.fractions[g].second;
    if (h != constant_polynomial(1) && std::find(below.begin(), below.end(), h) == below.end()) {
      below.push_back(h);
    }
  }
  IntegerPolynomial sum;
  for (const auto& [g, n] : exponent) {
    IntegerPolynomial term = arguments.fractions[g].first;
    for (const IntegerPolynomial& h : below) {
      if (h != arguments.fractions[g].second) term = times(term, h);
    }
    sum = plus(std::move(sum), term, n);
  }
  return {sum, below.size()};
}

inline ExactExponent combined(ExactExponent a, const ExactExponent& b, int factor) {
  for (const auto& [g, n] : b) {
    a[g] += factor * n;
    if (a[g] == 0) a.erase(g);
  }
  return a;
}

// Sum of f_j e^(r_j) with distinct r_j and non-zero f_j.
class ExactSum {
 public:
  struct Term {
    ExactExponent exponent;
    IntegerPolynomial factor;
  };

  ExactSum() = default;
  explicit ExactSum(IntegerPolynomial p) {
    if (!p.empty()) terms_.push_back({{}, std::move(p)});
  }

  const std::vector<Term>& terms() const { return terms_; }
  bool zero() const { return terms_.empty(); }
  // Without exponentials, nullopt if there are some.
  std::optional<IntegerPolynomial> polynomial() const {
    if (terms_.empty()) return IntegerPolynomial{};
    if (terms_.size() > 1 || !terms_[0].exponent.empty()) return std::nullopt;
    return terms_[0].factor;
  }

  void add(const ExactArguments& arguments, const Term& term, __int128 factor) {
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const ExactExponent difference = combined(terms_[i].exponent, term.exponent, -1);
      if (!numerator_of(arguments, difference).first.empty()) continue;
      terms_[i].factor = plus(std::move(terms_[i].factor), term.factor, factor);
      if (terms_[i].factor.empty()) terms_.erase(terms_.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
    if (term.factor.empty()) return;
    terms_.push_back({term.exponent, plus({}, term.factor, factor)});
    if (terms_.size() > 40) throw TooLarge{};
  }

 private:
  std::vector<Term> terms_;
};

inline ExactSum plus(const ExactArguments& arguments, ExactSum a, const ExactSum& b,
                     __int128 factor) {
  for (const ExactSum::Term& term : b.terms()) a.add(arguments, term, factor);
  return a;
}

inline ExactSum times(const ExactArguments& arguments, const ExactSum& a, const ExactSum& b) {
  ExactSum product;
  for (const ExactSum::Term& x : a.terms()) {
    for (const ExactSum::Term& y : b.terms()) {
      product.add(arguments, {combined(x.exponent, y.exponent, 1), times(x.factor, y.factor)}, 1);
    }
  }
  return product;
}

// Numerator over a product of divisors, which are known by the place where they were computed.
struct ExactFraction {
  ExactSum numerator;
  std::map<std::uint64_t, int> divisors;  // place, multiplicity
};

class ExactForms {
 public:
  const ExactArguments& arguments() const { return arguments_; }

  ExactFraction add(const ExactFraction& a, const ExactFraction& b, int factor) const {
    std::map<std::uint64_t, int> common = a.divisors;
    for (const auto& [place, n] : b.divisors) common[place] = std::max(common[place], n);
    return {plus(arguments_, over(a, common), over(b, common), factor), common};
  }
  ExactFraction multiply(const ExactFraction& a, const ExactFraction& b) const {
    std::map<std::uint64_t, int> all = a.divisors;
    for (const auto& [place, n] : b.divisors) all[place] += n;
    return {times(arguments_, a.numerator, b.numerator), all};
  }
  // `place` of b.
  ExactFraction divide(const ExactFraction& a, const ExactFraction& b, std::uint64_t place) {
    known_.try_emplace(place, b.numerator);
    ExactFraction quotient{a.numerator, a.divisors};
    for (const auto& [divisor, n] : b.divisors) {
      for (int i = 0; i < n; ++i) {
        const auto at = quotient.divisors.find(divisor);
        if (at == quotient.divisors.end()) {
          quotient.numerator = times(arguments_, quotient.numerator, known_.at(divisor));
        } else if (--at->second == 0) {
          quotient.divisors.erase(at);
        }
      }
    }
    ++quotient.divisors[place];
    return quotient;
  }
  ExactSum denominator(const ExactFraction& a) const {
    ExactSum product(constant_polynomial(1));
    for (const auto& [place, n] : a.divisors) {
      for (int i = 0; i < n; ++i) product = times(arguments_, product, known_.at(place));
    }
    return product;
  }
  // nullopt where an exponential is in the argument.
  std::optional<ExactFraction> exponential(const ExactFraction& a) {
    const auto above = a.numerator.polynomial();
    const auto below = denominator(a).polynomial();
    if (!above || !below) return std::nullopt;
    arguments_.fractions.emplace_back(*above, *below);
    ExactSum result;
    result.add(arguments_, {{{arguments_.fractions.size() - 1, 1}}, constant_polynomial(1)}, 1);
    return ExactFraction{result, {}};
  }

 private:
  ExactSum over(const ExactFraction& a, const std::map<std::uint64_t, int>& common) const {
    ExactSum sum = a.numerator;
    for (const auto& [place, n] : common) {
      const auto own = a.divisors.find(place);
      for (int i = own == a.divisors.end() ? 0 : own->second; i < n; ++i) {
        sum = times(arguments_, sum, known_.at(place));
      }
    }
    return sum;
  }

  ExactArguments arguments_;
  std::map<std::uint64_t, ExactSum> known_;  // divisors, by place
};

}  // namespace lamina::verify_test
