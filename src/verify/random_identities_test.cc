// Random true identities are accepted; what one change makes of them is not.
#include <doctest/doctest.h>

#include <array>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "verify/bound_algebra.h"
#include "verify/domains.h"
#include "verify/evaluate_expression.h"
#include "verify/random_axioms.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

constexpr std::uint64_t kSeed = 2026;
constexpr int kIdentities = 500;  // of each family
constexpr std::size_t kTwins = 50;

std::vector<BatchVerdict> check(const std::vector<TermPair>& list) {
  std::vector<Identity> identities;
  for (const TermPair& pair : list) {
    identities.push_back(to_identity(pair.left, pair.right));
  }
  return verify_identities(identities);
}

// What theorem T1 needs to know.
struct Majorants {
  std::array<Polynomial, 4> polynomials;  // of the difference, and of exponents
  std::size_t denominators;
  std::map<std::string, std::pair<double, Polynomial>> functions;
  bool overflowed;
  bool operator==(const Majorants&) const = default;
};

Majorants majorants_of(const Identity& identity, BoundAlgebra::Detail detail, bool idempotent) {
  BoundAlgebra algebra(detail);
  algebra.set_imaginary(true);
  algebra.set_idempotent(idempotent);
  std::vector<Formal> inputs;
  for (const std::string& name : identity.left.inputs) {
    const Formal x = algebra.variable(static_cast<std::uint32_t>(inputs.size()));
    inputs.push_back(identity.facts.contains(name) ? algebra.positive(x) : x);
  }
  algebra.set_input_count(static_cast<std::uint32_t>(inputs.size()));
  FormalDomain domain(algebra);
  std::array<Formal, 2> sides;
  std::vector<Formal> values;
  for (std::size_t side = 0; side < 2; ++side) {
    evaluate_nodes(side == 0 ? identity.left : identity.right, domain,
                   std::span<const Formal>(inputs), values);
    sides[side] = values.back();
  }
  const Fraction& left = algebra.fraction(sides[0]);
  const Fraction& right = algebra.fraction(sides[1]);
  const BoundAlgebra::Exponents exponents = algebra.exponents();
  Majorants majorants{{algebra.difference(left, right), algebra.denominator(right),
                       exponents.numerator, exponents.denominator},
                      exponents.denominators,
                      {},
                      algebra.overflowed()};
  for (const auto& [name, function] : algebra.functions()) {
    majorants.functions[name] = {function.values, function.numerator * function.denominator};
  }
  return majorants;
}

}  // namespace

TEST_CASE("no identity made by random axioms is rejected, and nearly all are accepted") {
  for (const Family& family : all_families()) {
    Rng rng(kSeed);
    TermSource source(family, rng);
    std::vector<TermPair> list;
    for (int i = 0; i < kIdentities; ++i) list.push_back(source.identity());
    const std::vector<BatchVerdict> verdicts = check(list);
    int accepted = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
      accepted += verdicts[i].outcome == Outcome::kEquivalent ? 1 : 0;
      CHECK_MESSAGE(verdicts[i].outcome != Outcome::kDifferent, family.name, ": ",
                    to_text(list[i]));
      if (verdicts[i].outcome == Outcome::kEquivalent) continue;
      MESSAGE(family.name, ": ", to_text(list[i]), "\n  ", verdicts[i].whole->reason);
    }
    CHECK_MESSAGE(accepted >= kIdentities * 99 / 100, family.name);
  }
}

TEST_CASE("sizes are the same with and without supports") {
  for (const Family& family : all_families()) {
    Rng rng(kSeed + 2);
    TermSource source(family, rng);
    for (int i = 0; i < 100; ++i) {
      const TermPair pair = source.identity();
      const Identity identity = to_identity(pair.left, pair.right);
      std::vector<Majorants> majorants;
      for (const auto detail : {BoundAlgebra::Detail::kSizes, BoundAlgebra::Detail::kAll}) {
        majorants.push_back(majorants_of(identity, detail, i % 2 == 0));
      }
      CHECK_MESSAGE(majorants[0] == majorants[1], to_text(pair));
    }
  }
}

TEST_CASE("what certainly differs from a random expression is not accepted") {
  for (const Family& family : all_families()) {
    Rng rng(kSeed + 1);
    TermSource source(family, rng);
    std::vector<TermPair> wrong;
    while (wrong.size() < kTwins) {
      TermPair pair = source.identity();
      if (source.spoil(pair.right) && certainly_different(pair.left, pair.right, rng)) {
        wrong.push_back(std::move(pair));
      }
    }
    const std::vector<BatchVerdict> verdicts = check(wrong);
    for (std::size_t i = 0; i < wrong.size(); ++i) {
      CHECK_MESSAGE(verdicts[i].outcome != Outcome::kEquivalent, to_text(wrong[i]));
    }
  }
}
