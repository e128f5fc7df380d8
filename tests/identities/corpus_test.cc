// The corpus of true and false identities: no true one is refuted, no false one accepted, and what
// is accepted only grows.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/rng.h"
#include "graph/real_domain.h"
#include "lamina/identity.h"
#include "verify/evaluate_expression.h"

using namespace lamina;

namespace {

using Floors = std::map<std::string, int>;

// How many true identities of each group are accepted. A change that accepts more raises its
// number.
const Floors kAccepted = {{"rational", 54},
                          {"powers", 56},
                          {"rational powers", 17},
                          {"general powers", 15},
                          {"exponential", 38},
                          {"nested exponential", 8},
                          {"hyperbolic", 52},
                          {"trigonometric", 65},
                          {"periods", 0},
                          {"sqrt", 44},
                          {"half angles", 7},
                          {"cbrt", 19},
                          {"log", 35},
                          {"activations", 25},
                          {"inverse functions", 10},
                          {"branches", 52}};

// How many false ones are refuted. Outside the fragment that needs a real point at which the sides
// are clearly apart, and few points are tried: the numbers of "sqrt" and "branches" leave room.
const Floors kRefuted = {{"rational", 18},
                         {"powers", 22},
                         {"general powers", 7},
                         {"exponential", 17},
                         {"hyperbolic", 13},
                         {"trigonometric", 23},
                         {"sqrt", 20},
                         {"cbrt", 8},
                         {"log", 17},
                         {"activations", 16},
                         {"inverse functions", 8},
                         {"branches", 37}};

std::vector<Identity> read(const std::string& file) {
  return parse_identities(read_file(file), file);
}

using Counts = std::map<Outcome, int>;

// Verdicts by group, in the order of the file.
class Table {
 public:
  void add(const std::string& group, Outcome outcome) {
    if (counts_.emplace(group, Counts{}).second) order_.push_back(group);
    ++counts_[group][outcome];
  }

  int count(const std::string& group, Outcome outcome) { return counts_[group][outcome]; }

  void print(const std::string& title) {
    constexpr Outcome kAll[] = {Outcome::kEquivalent, Outcome::kDifferent, Outcome::kInconclusive,
                                Outcome::kUnsupported};
    fmt::print("{:<20}", title);
    for (const Outcome outcome : kAll) fmt::print("{:>14}", to_string(outcome));
    Counts total;
    for (const std::string& group : order_) {
      fmt::print("\n{:<20}", group);
      for (const Outcome outcome : kAll) {
        total[outcome] += counts_[group][outcome];
        fmt::print("{:>14}", counts_[group][outcome]);
      }
    }
    fmt::print("\n{:<20}", "total");
    for (const Outcome outcome : kAll) fmt::print("{:>14}", total[outcome]);
    fmt::print("\n\n");
  }

 private:
  std::map<std::string, Counts> counts_;
  std::vector<std::string> order_;
};

// Checks a file; `wrong` is the verdict that must not occur, `right` the one that is counted.
void check_file(const std::string& file, Outcome right, Outcome wrong, const Floors& floors) {
  Table table;
  std::set<std::string> groups;
  const std::vector<Identity> identities = read(file);
  VerifyOptions options;
  options.primes = share_primes();
  for (const Identity& identity : identities) {
    const Verdict verdict = verify(identity, options);
    table.add(identity.group, verdict.outcome);
    groups.insert(identity.group);
    CHECK_MESSAGE(verdict.outcome != wrong, identity.text, ": ", verdict.reason);
  }
  table.print(file);
  for (const std::string& group : groups) {
    const auto floor = floors.find(group);
    REQUIRE_MESSAGE(floor != floors.end(), "no floor for the group ", group);
    CHECK_MESSAGE(table.count(group, right) >= floor->second, group);
  }
}

// A point in the interior of the facts, neither far out nor close to 0 where that can be avoided.
std::vector<double> draw_point(const Identity& identity, Rng& rng) {
  std::vector<double> point;
  for (const std::string& name : identity.left.inputs) {
    const auto known = identity.facts.find(name);
    const InputFacts facts = known == identity.facts.end() ? InputFacts{} : known->second;
    const bool bounded_below = std::isfinite(facts.low);
    const double low = bounded_below ? facts.low : std::min(-2.0, facts.high - 4.0);
    const double high = std::isfinite(facts.high) ? facts.high : std::max(2.0, low + 4.0);
    point.push_back(rng.uniform(low, high));
  }
  return point;
}

// The largest relative difference of the two sides at random points; negative when no point has
// both.
double largest_difference(const Identity& identity, Rng& rng) {
  RealDomain domain;
  std::vector<double> values;
  double largest = -1.0;
  for (int i = 0; i < 200; ++i) {
    const std::vector<double> point = draw_point(identity, rng);
    evaluate_nodes(identity.left, domain, std::span<const double>(point), values);
    const double left = values.back();
    evaluate_nodes(identity.right, domain, std::span<const double>(point), values);
    const double right = values.back();
    if (!std::isfinite(left) || !std::isfinite(right)) continue;
    const double magnitude = std::max({1.0, std::fabs(left), std::fabs(right)});
    largest = std::max(largest, std::fabs(left - right) / magnitude);
  }
  return largest;
}

}  // namespace

TEST_CASE("no true identity is refuted, and as many are accepted as before") {
  check_file("tests/identities/true.txt", Outcome::kEquivalent, Outcome::kDifferent, kAccepted);
}

TEST_CASE("no false identity is accepted, and as many are refuted as before") {
  check_file("tests/identities/false.txt", Outcome::kDifferent, Outcome::kEquivalent, kRefuted);
}

TEST_CASE("a batch says the same as checks one by one, and settles what is true without graphs") {
  std::size_t quick = 0;
  for (const char* file : {"tests/identities/true.txt", "tests/identities/false.txt"}) {
    const std::vector<Identity> identities = read(file);
    const std::vector<BatchVerdict> batch = verify_identities(identities);
    REQUIRE(batch.size() == identities.size());
    VerifyOptions options;
    options.primes = share_primes();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const bool accepted = verify(identities[i], options).outcome == Outcome::kEquivalent;
      CHECK_MESSAGE(accepted == (batch[i].outcome == Outcome::kEquivalent), identities[i].text);
      if (!accepted) continue;
      CHECK_MESSAGE(batch[i].bits.value_or(0.0) >= 80.0, identities[i].text);
      quick += batch[i].whole == nullptr ? 1 : 0;
    }
  }
  CHECK(quick >= 392);
}

TEST_CASE("the corpus is what it says, in floating point") {
  Rng rng(20);
  for (const Identity& identity : read("tests/identities/true.txt")) {
    const double difference = largest_difference(identity, rng);
    CHECK_MESSAGE(difference >= 0.0, identity.text);
    CHECK_MESSAGE(difference < 1e-6, identity.text, ": ", difference);
  }
  for (const Identity& identity : read("tests/identities/false.txt")) {
    CHECK_MESSAGE(largest_difference(identity, rng) > 1e-12, identity.text);
  }
}

TEST_CASE("the corpus is large, and says nothing twice") {
  std::set<std::string> texts;
  std::map<std::string, std::size_t> sizes;
  for (const char* file : {"tests/identities/true.txt", "tests/identities/false.txt"}) {
    for (const Identity& identity : read(file)) {
      CHECK_MESSAGE(texts.insert(identity.text).second, identity.text);
      ++sizes[file];
    }
  }
  CHECK(sizes["tests/identities/true.txt"] >= 500);
  CHECK(sizes["tests/identities/false.txt"] >= 200);
}
