// Random true identities are accepted; what one change makes of them is not.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

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
