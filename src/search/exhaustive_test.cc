// The guarantee of the search (Mirage, arXiv:2405.05751, theorem 1): pruning by abstract terms and
// merging by fingerprints lose no program that could be the best. On all tiny programs, against
// enumeration without either.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <set>
#include <string>
#include <vector>

#include "graph/simplify.h"
#include "lamina/error.h"
#include "search/block_program.h"
#include "search/block_space.h"
#include "search/machine_test.h"

using namespace lamina;
using namespace lamina::search;

namespace {

const std::vector<std::string> kUnary = {"exp({})", "sum({}, axes=[-1], keepdims=true)",
                                         "sqrt({})"};
const std::vector<std::string> kBinary = {"{} + {}", "{} * {}", "{} / {}"};

// All expressions of `count` operators over x[4, 6] and y[4, 6], those that commute once.
std::vector<std::string> expressions(int count) {
  if (count == 0) return {"x", "y"};
  std::vector<std::string> result;
  for (const std::string& inner : expressions(count - 1)) {
    for (const std::string& form : kUnary) {
      result.push_back("(" + fmt::format(fmt::runtime(form), inner) + ")");
    }
  }
  for (int left = 0; left < count; ++left) {
    for (const std::string& a : expressions(left)) {
      for (const std::string& b : expressions(count - 1 - left)) {
        for (const std::string& form : kBinary) {
          if (form != kBinary.back() && b < a) continue;
          result.push_back("(" + fmt::format(fmt::runtime(form), a, b) + ")");
        }
      }
    }
  }
  return result;
}

// `more`: statements and outputs after z.
std::optional<Graph> program_of(const std::string& expression, const std::string& more) {
  try {
    Graph graph = simplify(parse_graph("lamina 1\ngraph g(x: f32[4, 6], y: f32[4, 6]) {\n  z = " +
                                       expression + "\n" + more + "}\n"));
    const bool tiled =
        BlockSpace::accepts(graph) && !graph.type(graph.outputs[0].value).shape.empty();
    return tiled ? std::optional(std::move(graph)) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // an axis of one element is summed
  }
}

struct Best {
  std::optional<double> seconds;  // of the best program, if there is one
  std::set<std::size_t> inputs;   // that it reads
  bool complete = false;          // the space was enumerated
};

Best best(const Graph& graph, const BlockShape& shape, bool prune, bool merge, int operators) {
  BlockSpace space(graph, shape,
                   {.operators = operators,
                    .values = 4000,
                    .evaluations = 100000,
                    .prune_terms = prune,
                    .merge_equal = merge});
  space.run();
  Best result{{}, {}, space.statistics().complete};
  const auto programs =
      cheapest(space, {{2, 0}, shape.loop ? 2 : 0}, block_machine(test_machine(), 1), {}, 1);
  if (programs.empty()) return result;
  result.seconds = programs[0].seconds;
  for (const BlockStep& step : programs[0].program.steps) {
    if (step.kind == BlockStep::Kind::kLoad) result.inputs.insert(step.input);
  }
  return result;
}

struct Tally {
  int pruned = 0;    // compared with a search without pruning
  int unmerged = 0;  // and with one without merging
  int cancelled = 0;
};

void compare(const std::string& expression, const BlockShape& shape, int operators, Tally& tally,
             const std::string& more = "  return z\n") {
  const std::optional<Graph> graph = program_of(expression, more);
  if (!graph) return;
  const Best all = best(*graph, shape, false, true, operators);
  if (!all.complete || !all.seconds) return;
  const Best pruned = best(*graph, shape, true, true, operators);
  REQUIRE(pruned.complete);
  REQUIRE_MESSAGE(pruned.seconds.has_value(), expression);
  // x / (x * y) is 1 / y by cancellation, which is none of the axioms: terms would have no end.
  if (all.inputs != pruned.inputs) {
    ++tally.cancelled;
    return;
  }
  ++tally.pruned;
  CHECK_MESSAGE(*pruned.seconds == doctest::Approx(*all.seconds), expression);
  const Best apart = best(*graph, shape, true, false, operators);
  if (!apart.complete) return;
  ++tally.unmerged;
  REQUIRE_MESSAGE(apart.seconds.has_value(), expression);
  CHECK_MESSAGE(*apart.seconds == doctest::Approx(*all.seconds), expression);
}

}  // namespace

TEST_CASE("pruning and merging lose no best program, over all programs of two operators") {
  Tally tally;
  for (const std::string& expression : expressions(2)) {
    compare(expression, {{0}, std::nullopt}, 2, tally);
  }
  for (const std::string& expression : expressions(1)) {
    compare(expression, {{0}, std::nullopt}, 3, tally);
    compare(expression, {{0}, Dim(6)}, 3, tally);
  }
  const int before = tally.pruned;
  for (const std::string& expression : expressions(1)) {
    // One output that the loop stores part by part, and one that it accumulates.
    compare(expression, {{0}, Dim(6)}, 4, tally,
            "  s = sum(z, axes=[-1], keepdims=true)\n  return z, s\n");
  }
  CHECK(tally.pruned > before);
  MESSAGE(tally.pruned, " programs compared, ", tally.unmerged, " of them without merging, ",
          tally.cancelled, " by cancellation");
  CHECK(tally.pruned > 100);
  CHECK(tally.unmerged > 100);
  CHECK(tally.cancelled < 20);
}
