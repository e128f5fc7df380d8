// Random true identities, for tests: a random expression, and what random axioms make of it.
//
// An axiom is written like an identity and used in both directions. Its letters stand for terms: a
// to d for any, z for one that is proved not to vanish everywhere, r and s for one without
// exponentials and angles, p and q for a product of powers of positive inputs. Where a letter
// stands on the side of the result alone, a small random term of its kind takes part.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "lamina/identity.h"
#include "verify/random_terms.h"

namespace lamina::verify_test {

inline constexpr std::string_view kRationalAxioms = R"(
a + b = b + a
a*b = b*a
(a + b) + c = a + (b + c)
(a*b)*c = a*(b*c)
a*(b + c) = a*b + a*c
(a - b)*c = a*c - b*c
a - b = a + (-b)
-a = (-1)*a
-(-a) = a
-(a + b) = -a - b
(-a)*b = -(a*b)
a + 0 = a
a*1 = a
a - a = 0
a*0 = 0
a + a = 2*a
a/2 + a/2 = a
a/3*3 = a
(a + b) - b = a
(a*z)/z = a
z/z = 1
1/(1/z) = z
a/z = a*(1/z)
a/z + b/z = (a + b)/z
a/z - b/w = (a*w - b*z)/(z*w)
(a/z)*(b/w) = (a*b)/(z*w)
(a/z)/w = a/(z*w)
a/(z/w) = (a*w)/z
(-a)/z = a/(-z)
a^2 = a*a
a^3 = a*a^2
a^4 = (a^2)^2
a^6 = (a^2)^3
a^5 = a^2*a^3
z^-1 = 1/z
z^-2 = 1/z^2
z^-3*z^2 = 1/z
z^5/z^2 = z^3
(a*b)^2 = a^2*b^2
(a*b)^3 = a^3*b^3
(a/z)^2 = a^2/z^2
(z/w)^-3 = w^3/z^3
(-a)^2 = a^2
(-a)^3 = -a^3
a^1 = a
(a + b)^2 = a^2 + 2*a*b + b^2
(a - b)^3 = a^3 - 3*a^2*b + 3*a*b^2 - b^3
a^2 - b^2 = (a + b)*(a - b)
a^3 + b^3 = (a + b)*(a^2 - a*b + b^2)
)";

inline constexpr std::string_view kExponentialAxioms = R"(
exp(r + s) = exp(r)*exp(s)
exp(r - s) = exp(r)/exp(s)
exp(-r) = 1/exp(r)
exp(2*r) = exp(r)^2
exp(3*r) = exp(r)^3
exp(-2*r) = exp(r)^-2
exp(0*r) = 1
exp(r)*exp(-r) = 1
sinh(r) = (exp(r) - exp(-r))/2
cosh(r) = (exp(r) + exp(-r))/2
cosh(r) + sinh(r) = exp(r)
cosh(r)^2 - sinh(r)^2 = 1
sinh(r + s) = sinh(r)*cosh(s) + cosh(r)*sinh(s)
cosh(r + s) = cosh(r)*cosh(s) + sinh(r)*sinh(s)
sinh(2*r) = 2*sinh(r)*cosh(r)
cosh(2*r) = 2*cosh(r)^2 - 1
sinh(-r) = -sinh(r)
cosh(-r) = cosh(r)
tanh(r) = sinh(r)/cosh(r)
tanh(r) = 2*sigmoid(2*r) - 1
sigmoid(r) = 1/(1 + exp(-r))
sigmoid(-r) = 1 - sigmoid(r)
exp(r)/(exp(r) + exp(s)) = sigmoid(r - s)
)";

inline constexpr std::string_view kAngleAxioms = R"(
sin(r)^2 + cos(r)^2 = 1
sin(r + s) = sin(r)*cos(s) + cos(r)*sin(s)
sin(r - s) = sin(r)*cos(s) - cos(r)*sin(s)
cos(r + s) = cos(r)*cos(s) - sin(r)*sin(s)
sin(2*r) = 2*sin(r)*cos(r)
cos(2*r) = 1 - 2*sin(r)^2
sin(3*r) = 3*sin(r) - 4*sin(r)^3
sin(-r) = -sin(r)
cos(-r) = cos(r)
tan(r) = sin(r)/cos(r)
1 + tan(r)^2 = 1/cos(r)^2
2*sin(r)*sin(s) = cos(r - s) - cos(r + s)
)";

inline constexpr std::string_view kPowerAxioms = R"(
sqrt(p) = p^0.5
sqrt(p)^2 = p
sqrt(p*q) = sqrt(p)*sqrt(q)
sqrt(p/q) = sqrt(p)/sqrt(q)
sqrt(p^2) = p
cbrt(p) = p^(1/3)
cbrt(p)^3 = p
cbrt(p*q) = cbrt(p)*cbrt(q)
p^0.5*p^0.5 = p
p^(1/3)*p^(2/3) = p
p^0.75 = p/p^0.25
(p*q)^(2/3) = p^(2/3)*q^(2/3)
(p^0.5)^(1/3) = p^(1/6)
(p^(1/3))^0.5 = p^(1/6)
p^1.5 = p*sqrt(p)
p^-0.5 = 1/sqrt(p)
(a*sqrt(p))^2 = a^2*p
)";

inline constexpr std::string_view kBranchAxioms = R"(
max(a, b) = max(b, a)
max(max(a, b), c) = max(a, max(b, c))
max(a, a) = a
min(a, b) = min(b, a)
min(min(a, b), c) = min(a, min(b, c))
min(a, a) = a
min(a, b) = -max(-a, -b)
abs(a) = max(a, -a)
abs(-a) = abs(a)
)";

struct Axiom {
  Term left;
  Term right;
  std::vector<std::string> letters;
};

inline std::vector<Axiom> read_axioms(std::initializer_list<std::string_view> texts) {
  std::vector<Axiom> axioms;
  for (const std::string_view text : texts) {
    for (const Identity& identity : parse_identities(text, "axioms")) {
      const auto whole = [](const Expression& e) { return to_term(e, e.nodes.size() - 1); };
      axioms.push_back({whole(identity.left), whole(identity.right), identity.left.inputs});
    }
  }
  return axioms;
}

// What the random terms are made of.
struct Family {
  std::string name;
  std::vector<std::string_view> functions;  // of one rational term
  bool branches = false;
  bool powers = false;
  std::vector<Axiom> axioms;
};

inline std::vector<Family> all_families() {
  const std::vector<std::string_view> exponentials = {"exp",  "exp",  "sinh",
                                                      "cosh", "tanh", "sigmoid"};
  const std::vector<std::string_view> angles = {"sin", "cos", "tan"};
  return {
      {"rational", {}, false, false, read_axioms({kRationalAxioms})},
      {"exponential", exponentials, false, false,
       read_axioms({kRationalAxioms, kExponentialAxioms, kExponentialAxioms})},
      {"angles", angles, false, false, read_axioms({kRationalAxioms, kAngleAxioms, kAngleAxioms})},
      {"both",
       {"exp", "sin", "cos", "sinh"},
       false,
       false,
       read_axioms({kRationalAxioms, kExponentialAxioms, kAngleAxioms})},
      {"rational powers",
       {"exp"},
       false,
       true,
       read_axioms({kRationalAxioms, kPowerAxioms, kPowerAxioms, kExponentialAxioms})},
      {"branches",
       {"exp"},
       true,
       false,
       read_axioms({kRationalAxioms, kBranchAxioms, kBranchAxioms, kExponentialAxioms})}};
}

struct TermPair {
  Term left;
  Term right;
};

inline std::string to_text(const TermPair& pair) {
  return to_text(pair.left) + " = " + to_text(pair.right);
}

// One random identity after the other; the same ones for the same seed.
class TermSource {
 public:
  TermSource(const Family& family, Rng& rng) : family_(family), rng_(rng) {}

  // An expression, and what 1 to 20 axioms make of it.
  TermPair identity() {
    TermPair pair{any(static_cast<int>(rng_.integer(1, 4))), {}};
    while (!valid(pair.left)) pair.left = any(2);
    pair.right = pair.left;
    const std::int64_t axioms = rng_.integer(1, 20);
    for (std::int64_t i = 0; i < axioms; ++i) rewrite(pair.right);
    return pair;
  }

  // Applies a random axiom somewhere; false when none was found that fits.
  bool rewrite(Term& whole) {
    constexpr int kAttempts = 300;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      Term& place = random_place(whole);
      const Axiom& axiom = family_.axioms[pick(family_.axioms.size())];
      const bool forward = rng_.chance(0.5);
      auto result = place.is_constant() && rng_.chance(0.1)
                        ? std::optional(split_constant(place.constant))
                        : apply(axiom, forward ? axiom.left : axiom.right,
                                forward ? axiom.right : axiom.left, place);
      if (!result) continue;
      std::swap(place, *result);
      if (valid(whole)) return true;
      std::swap(place, *result);
    }
    return false;
  }

  // Changes one thing, so that the result is most likely no longer equal; false when it is no term
  // of the fragment.
  bool spoil(Term& whole) {
    Term& place = random_place(whole);
    static const std::map<std::string_view, std::string_view> kOthers = {
        {"add", "sub"}, {"sub", "add"}, {"mul", "add"},   {"div", "mul"},   {"sin", "cos"},
        {"cos", "sin"}, {"tan", "sin"}, {"sinh", "cosh"}, {"cosh", "sinh"}, {"exp", "cosh"},
        {"max", "min"}, {"min", "max"}, {"tanh", "sinh"}, {"sqrt", "cbrt"}, {"abs", "neg"}};
    if (place.input >= 0) {
      const bool positive = place.input >= kFirstPositive;
      place.input = positive ? (place.input == kFirstPositive ? kFirstPositive + 1 : kFirstPositive)
                             : (place.input + 1) % kFirstPositive;
    } else if (place.op == nullptr) {
      place.constant.numerator += place.constant.denominator;
    } else if (const auto other = kOthers.find(place.op->name);
               other != kOthers.end() && rng_.chance(0.7)) {
      place.op = &find_op(other->second);
    } else {
      Term part = place.operands[pick(place.operands.size())];
      place = std::move(part);
    }
    return valid(whole);
  }

 private:
  using Binding = std::map<std::int32_t, Term>;
  static constexpr std::size_t kLargest = 80;

  std::size_t pick(std::size_t count) {
    return static_cast<std::size_t>(rng_.integer(0, static_cast<std::int64_t>(count) - 1));
  }

  bool valid(const Term& whole) {
    const Shape shape = shape_of(whole);
    return shape.valid && shape.size <= kLargest &&
           (!family_.branches || branches_vary(whole, rng_));
  }

  static std::size_t count(const Term& term) {
    std::size_t n = 1;
    for (const Term& operand : term.operands) n += count(operand);
    return n;
  }

  // All terms alike.
  Term& random_place(Term& whole) {
    std::size_t left = pick(count(whole));
    Term* at = &whole;
    while (left > 0) {
      --left;
      for (Term& operand : at->operands) {
        const std::size_t n = count(operand);
        if (left < n) {
          at = &operand;
          break;
        }
        left -= n;
      }
    }
    return *at;
  }

  Term number() {
    const std::int64_t n = rng_.integer(1, 5) * (rng_.chance(0.3) ? -1 : 1);
    return rng_.chance(0.25) && n % 2 != 0 ? constant(n, 2) : constant(n);
  }

  Term atom() {
    if (rng_.chance(0.25)) return number();
    const std::int64_t last = family_.powers ? kFirstPositive + 1 : kFirstPositive - 1;
    return variable(static_cast<std::int32_t>(rng_.integer(0, last)));
  }

  Term any(int depth) {
    if (depth == 0) return atom();
    if (!family_.functions.empty() && rng_.chance(0.3)) {
      return call(family_.functions[pick(family_.functions.size())], {rational(depth - 1)});
    }
    if (family_.branches && rng_.chance(0.25)) {
      if (rng_.chance(0.2)) return call("abs", {any(depth - 1)});
      return call(rng_.chance(0.5) ? "max" : "min", {any(depth - 1), any(depth - 1)});
    }
    return combined(depth, [&](int less) { return any(less); });
  }

  Term rational(int depth) {
    if (depth == 0) return atom();
    return combined(depth, [&](int less) { return rational(less); });
  }

  Term monomial() {
    const Term base = variable(static_cast<std::int32_t>(rng_.integer(kFirstPositive, 4)));
    return rng_.chance(0.5) ? base : call("pow", {base, constant(rng_.integer(1, 6), 2)});
  }

  // By arithmetic, of what `part` gives.
  template <class Part>
  Term combined(int depth, Part part) {
    const std::int64_t kind = rng_.integer(0, 9);
    if (kind < 3) return call("add", {part(depth - 1), part(depth - 1)});
    if (kind < 4) return call("sub", {part(depth - 1), part(depth - 1)});
    if (kind < 6) return call("mul", {part(depth - 1), part(depth - 1)});
    if (kind < 7) return call("pow", {part(depth - 1), constant(rng_.integer(2, 3))});
    if (kind < 8) return call("neg", {part(depth - 1)});
    if (family_.powers) return call(rng_.chance(0.5) ? "sqrt" : "cbrt", {monomial()});
    Term below = part(depth - 1);
    const bool divides = !shape_of(below).branch && certainly_nonzero(below, rng_);
    return divides ? call("div", {part(depth - 1), std::move(below)}) : below;
  }

  // A small term for a letter that the matched side lacks.
  Term invented(char letter) {
    if (letter == 'p' || letter == 'q') return monomial();
    return rng_.chance(0.3) ? rational(1) : atom();
  }

  bool matches(const Term& pattern, const Term& term, Binding& binding) {
    if (pattern.input >= 0) {
      const auto [at, added] = binding.try_emplace(pattern.input, term);
      return added || at->second == term;
    }
    if (pattern.op != term.op || pattern.operands.size() != term.operands.size()) return false;
    if (pattern.op == nullptr) return term.input < 0 && pattern.constant == term.constant;
    for (std::size_t i = 0; i < pattern.operands.size(); ++i) {
      if (!matches(pattern.operands[i], term.operands[i], binding)) return false;
    }
    return true;
  }

  // n / d as a sum or product of constants.
  Term split_constant(const Rational& value) {
    const auto [n, d] = value;
    const std::int64_t k = rng_.integer(2, 7);
    if (rng_.chance(0.5)) return call("add", {constant(n - k * d, d), constant(k)});
    return call("div", {constant(n * k, d), constant(k)});
  }

  Term filled(const Term& pattern, const Binding& binding) const {
    if (pattern.input >= 0) return binding.at(pattern.input);
    Term term{pattern.op, -1, pattern.constant, {}};
    for (const Term& operand : pattern.operands) term.operands.push_back(filled(operand, binding));
    return term;
  }

  std::optional<Term> apply(const Axiom& axiom, const Term& from, const Term& to,
                            const Term& place) {
    Binding binding;
    if (!matches(from, place, binding)) return std::nullopt;
    for (std::size_t i = 0; i < axiom.letters.size(); ++i) {
      const char letter = axiom.letters[i][0];
      const auto [at, added] = binding.try_emplace(static_cast<std::int32_t>(i));
      if (added) at->second = invented(letter);
      const Shape shape = shape_of(at->second);
      const bool divisor = letter == 'z' || letter == 'w';
      if (divisor && (shape.branch || !certainly_nonzero(at->second, rng_))) return std::nullopt;
      if ((letter == 'r' || letter == 's') && shape.transcendental) return std::nullopt;
      if ((letter == 'p' || letter == 'q') && !shape.monomial) return std::nullopt;
    }
    return filled(to, binding);
  }

  const Family& family_;
  Rng& rng_;
};

}  // namespace lamina::verify_test
