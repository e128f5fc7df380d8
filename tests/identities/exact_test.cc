// Exact normal forms on the corpus: no false identity is proved, and of the true ones many are.
#include <doctest/doctest.h>

#include <map>
#include <string>

#include "base/files.h"
#include "lamina/identity.h"
#include "verify/exact_proof.h"

using namespace lamina;

namespace {

bool proved(const Identity& identity) {
  if (!identity.unsupported.empty()) return false;
  const Graph left = to_graph(identity.left);
  const Graph right = to_graph(identity.right);
  std::vector<InputPlan> plans = plan_inputs(left, right, {});
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto facts = identity.facts.find(identity.left.inputs[i]);
    if (facts != identity.facts.end()) plans[i].facts = facts->second;
  }
  return equal_normal_forms(left, right, plans, {});
}

std::map<std::string, int> count_proved(const std::string& file) {
  std::map<std::string, int> counts;
  for (const Identity& identity : parse_identities(read_file(file), file)) {
    if (!proved(identity)) continue;
    ++counts[identity.group];
    INFO(identity.text);
    CHECK_FALSE(file.ends_with("false.txt"));
  }
  return counts;
}

}  // namespace

TEST_CASE("no false identity has equal normal forms") {
  CHECK(count_proved("tests/identities/false.txt").empty());
}

TEST_CASE("true identities are proved exactly where the fragment goes") {
  auto counts = count_proved("tests/identities/true.txt");
  for (const auto& [group, count] : counts) MESSAGE(group, ": ", count);
  CHECK(counts["rational"] >= 54);
  CHECK(counts["exponential"] >= 38);
  CHECK(counts["hyperbolic"] >= 52);
  CHECK(counts["trigonometric"] >= 65);
}
