// What the optimiser proposes is numerically as good as what it came from: the programs of
// examples/programs at small sizes, every candidate, in every float type.
#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <regex>
#include <sstream>

#include "lamina/bench.h"
#include "lamina/numeric.h"
#include "search/candidates.h"
#include "search/judge.h"
#include "search/machine_test.h"
#include "search/tiling.h"

using namespace lamina;
using namespace lamina::search;

namespace {

// The text of a program with small sizes of the same proportions.
Graph small_program(const std::string& name) {
  std::ifstream file("examples/programs/" + name + ".lam");
  REQUIRE(file);
  std::stringstream buffer;
  buffer << file.rdbuf();
  std::string text = buffer.str();
  const std::array<std::pair<const char*, const char*>, 4> sizes = {
      {{"4096", "40"}, {"6144", "48"}, {"256", "12"}, {"64\\b", "16"}}};
  for (const auto& [from, to] : sizes) text = std::regex_replace(text, std::regex(from), to);
  return parse_graph(text, name);
}

void check_fine(const Graph& reference, const Graph& candidate, std::vector<DType> dtypes,
                const std::string& what) {
  NumericOptions options;
  options.dtypes = std::move(dtypes);
  const NumericReport report = check_numeric(reference, candidate, options);
  INFO(what << "\n" << report.to_text());
  CHECK(report.outcome == NumericOutcome::kFine);
  for (const NumericTypeReport& type : report.types) {
    for (const Hazard& hazard : type.hazards) CHECK(hazard.in_reference);
  }
}

// Every recipe with small tiles: the loop of an online softmax runs several times, and ends
// raggedly.
int check_candidates(const std::string& name, const std::vector<DType>& dtypes) {
  int accepted = 0;  // of those that were searched
  const Graph program = small_program(name);
  check_fine(program, program, dtypes, name);
  const Graph prepared = prepare(program);
  const Graph filled = prepare(fill_weights(program, 5));
  const Judge judge(filled, {Sizes{}}, 1);
  const Limits limits = {
      .threads = 1, .candidates = 1, .machine = block_machine(test_machine(), 1)};
  for (Recipe recipe : generate(prepared, limits).recipes) {
    for (Recipe::Part& part : recipe.parts) {
      if (part.tiling.loop_tile > 0) part.tiling.loop_tile = 9;
    }
    const auto candidate = apply(prepared, recipe);
    REQUIRE(candidate);
    const std::string what = name + ": " + recipe.describe();
    // What was searched may be worse: then the judge refuses it, in the types of the program.
    const bool searched = recipe.parts[0].program.has_value();
    if (!searched) {
      check_fine(program, *candidate, dtypes, what);
    } else if (!judge.numeric_fault(recipe)) {
      ++accepted;
      check_fine(program, *candidate, {dtypes[0]}, what);
    }
  }
  return accepted;
}

}  // namespace

TEST_CASE("candidates are numerically fine") {
  int searched = 0;
  for (const char* kind :
       {"gated_mlp", "gqa", "lora", "norm_transformer", "qk_norm_gqa", "rms_norm_linear"}) {
    searched += check_candidates(kind, {DType::kF32, DType::kBF16, DType::kF16});
    searched += check_candidates(std::string(kind) + "_bf16", {DType::kBF16});
  }
  CHECK(searched > 0);
}
