// The optimiser on random programs of 3 to 9 operators: it never fails, what it returns is proved
// to 80 bits and computes what the reference device computes, and the same seed offers the same
// candidates.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "graph/random_graph.h"
#include "graph/tolerance.h"
#include "lamina/bench.h"
#include "lamina/device.h"
#include "lamina/machine.h"
#include "lamina/optimize.h"
#include "search/block_program.h"
#include "search/candidates.h"
#include "search/partition.h"
#include "search/recipe_text.h"
#include "search/region.h"
#include "search/tiling.h"

using namespace lamina;

namespace {

constexpr std::uint64_t kSeed = 2027;
constexpr double kLeastBits = 80.0;
// In random programs values cancel, so that the unfused program is outside the tolerance of
// docs/numerics.md, too. What is worse by more than this factor is wrong.
constexpr double kMostWorse = 4.0;

// A description that is in the repository: the candidates are those of every machine's run.
CpuMachine machine() { return load_cpu_machine("share/machines/epyc_zen3.json"); }

std::ptrdiff_t count_operators(const Graph& graph) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return op_name(node) != "input" && op_name(node) != "constant";
  });
}

// The program of this number: small, every third in bf16.
Graph program_number(std::uint64_t number) {
  Rng rng = Rng(kSeed).split(number);
  RandomGraphOptions options;
  options.max_rows = 33;
  options.max_width = 130;
  if (number % 3 == 2) options.dtype = DType::kBF16;
  for (;;) {
    options.steps = static_cast<int>(rng.integer(1, 4));
    Graph graph = random_graph(rng, options);
    const std::ptrdiff_t operators = count_operators(graph);
    if (operators >= 3 && operators <= 9) return fill_weights(graph, kSeed + number);
  }
}

// What is wrong with what the optimiser makes of a program; "" where nothing is.
std::string find_fault(const Graph& graph, double budget_s) {
  OptimizeOptions options;
  options.budget_s = budget_s;
  options.candidates = 2;
  options.fresh = true;
  options.rotate_bytes = 0;
  options.machine = machine();
  const OptimizeResult result = optimize(graph, find_device("cpu"), options);
  validate(result.graph);
  if (result.verdict != "equivalent" && result.verdict != "unchanged") return result.verdict;
  for (const RegionReport& region : result.regions) {
    if (region.verdict != "unchanged" && region.bits.value_or(0.0) < kLeastBits) {
      return fmt::format("{}: {} with {} bits", region.choice, region.verdict,
                         region.bits.value_or(0.0));
    }
  }
  const std::vector<Tensor> inputs = random_inputs(graph, {}, kSeed + 1);
  const std::vector<Tensor> want = compile(graph, find_device("ref"))->run(inputs);
  const std::vector<Tensor> plain = compile(graph, find_device("cpu"))->run(inputs);
  const std::vector<Tensor> got = compile(result.graph, find_device("cpu"))->run(inputs);
  if (got.size() != want.size()) return fmt::format("{} outputs", got.size());
  const Tolerance allowed = tolerance(graph);
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double unavoidable = std::max(1.0, deviation(plain[i], want[i], allowed));
    if (deviation(got[i], want[i], allowed) <= kMostWorse * unavoidable) continue;
    if (auto words = difference(got[i], want[i], allowed)) return *words;
  }
  return "";
}

void check_programs(std::uint64_t first, std::uint64_t count, double budget_s) {
  MESSAGE("fuzz: seed " << kSeed << ", programs " << first << " to " << first + count - 1);
  for (std::uint64_t i = first; i < first + count; ++i) {
    const Graph graph = program_number(i);
    std::string fault;
    try {
      fault = find_fault(graph, budget_s);
    } catch (const std::exception& e) {
      fault = e.what();
    }
    CHECK_MESSAGE(fault == "", "seed ", kSeed, ", program ", i, ": ", fault, "\n",
                  print_graph(graph));
  }
}

// All candidates for all regions, as text.
std::vector<std::string> offered(const Graph& graph) {
  std::vector<std::string> texts;
  search::Limits limits;
  limits.candidates = 4;
  limits.machine = search::block_machine(machine(), limits.threads);
  const Graph prepared = search::prepare(graph);
  const search::Rates rates = search::rates_of(machine(), limits.threads);
  for (const search::Region& region : search::partition(prepared, rates).regions) {
    const Graph program = search::cut(prepared, region);
    for (const search::Recipe& recipe : search::generate(program, limits).recipes) {
      texts.push_back(search::encode(recipe).value_or("no text: " + recipe.describe()));
    }
  }
  return texts;
}

}  // namespace

TEST_CASE("fuzz: the same seed gives the same programs and the same candidates") {
  for (std::uint64_t i = 0; i < 2; ++i) {
    const Graph graph = program_number(i);
    CHECK(count_operators(graph) >= 3);
    CHECK(count_operators(graph) <= 9);
    CHECK(content_hash(program_number(i)) == content_hash(graph));
    const std::vector<std::string> texts = offered(graph);
    CHECK_MESSAGE(offered(graph) == texts, "seed ", kSeed, ", program ", i);
  }
}

TEST_CASE("fuzz: optimised programs are proved and right") { check_programs(0, 3, 1.5); }

TEST_SUITE("slow") {
  TEST_CASE("fuzz: a hundred optimised programs are proved and right") {
    check_programs(0, 100, 5.0);
  }
}
