// Programs that the optimiser was not tuned for: optimised, compared with the reference device,
// raced against the unfused program. Twelve random ones of odd sizes, or the .lam files of a folder
// (bench/unseen).
//
//   odd_programs [BUDGET_SECONDS [OUT.json [FOLDER]]]
//
// Exit status 1 when a program is slower than unfused by more than the noise of three races, is
// returned without 80 proved bits, or is wrong.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/files.h"
#include "base/json.h"
#include "graph/random_graph.h"
#include "graph/tolerance.h"
#include "lamina/bench.h"
#include "lamina/io.h"
#include "lamina/optimize.h"

namespace {

using namespace lamina;

constexpr std::uint64_t kSeed = 20;
constexpr std::size_t kPrograms = 12;
constexpr double kNoise = 0.05;
constexpr std::int64_t kRotateBytes = 256 << 20;

// The programs: those of the stream that are large enough to time and small enough for the
// reference device.
std::vector<Graph> odd_programs() {
  constexpr double kLeastFlops = 1e7;
  constexpr double kMostFlops = 6e8;
  std::vector<Graph> programs;
  for (int i = 0; programs.size() < kPrograms; ++i) {
    Rng rng = Rng(kSeed).split(static_cast<std::uint64_t>(i));
    RandomGraphOptions options;
    options.steps = 2 + i % 3;
    options.max_rows = 600;
    if (i % 3 == 2) options.dtype = DType::kBF16;
    Graph graph = random_graph(rng, options);
    graph.name = fmt::format("odd_{}", i);
    const double flops = count_work(graph, {}).flops;
    if (flops < kLeastFlops || flops > kMostFlops) continue;
    programs.push_back(fill_weights(graph, kSeed));
  }
  return programs;
}

// The programs of a folder, in the order of their names.
std::vector<Graph> stored_programs(const std::string& folder) {
  std::set<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".lam") paths.insert(entry.path().string());
  }
  std::vector<Graph> programs;
  for (const std::string& path : paths) {
    programs.push_back(fill_weights(load_model(path), kSeed));
  }
  return programs;
}

std::string first_input(const Graph& graph) {
  return to_string(graph.type({graph.inputs.front().node, 0}));
}

std::string operators(const Graph& graph) {
  std::set<std::string_view> names;
  for (const Node& node : graph.nodes) {
    if (op_name(node) != "input" && op_name(node) != "constant") names.insert(op_name(node));
  }
  return fmt::format("{}", fmt::join(names, " "));
}

// What is wrong with the optimised program: not proved, or another function on inputs that the
// optimiser has not seen. Where the program as it was read is outside the tolerance itself (values
// that cancel), the optimised one may be as far off.
std::optional<std::string> find_fault(const Graph& graph, const OptimizeResult& result) {
  constexpr double kLeastBits = 80.0;
  if (result.verdict != "unchanged" && result.bits.value_or(0.0) < kLeastBits) {
    return fmt::format("{} with {:.0f} proved bits", result.verdict, result.bits.value_or(0.0));
  }
  const std::vector<Tensor> inputs = random_inputs(graph, {}, kSeed + 1);
  const std::vector<Tensor> want = compile(graph, find_device("ref"))->run(inputs);
  const std::vector<Tensor> plain = compile(graph, find_device("cpu"))->run(inputs);
  const std::vector<Tensor> got = compile(result.graph, find_device("cpu"))->run(inputs);
  const Tolerance allowed = tolerance(graph);
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (deviation(got[i], want[i], allowed) <= 1.1 * deviation(plain[i], want[i], allowed))
      continue;
    if (auto fault = difference(got[i], want[i], allowed)) return fault;
  }
  return std::nullopt;
}

struct Times {
  double before_ms = 0.0;
  double after_ms = 0.0;
  double ratio() const { return before_ms / after_ms; }
};

// Races the two once, and up to twice more while the optimised program seems slower; the race with
// the middle ratio counts.
Times race(const Graph& graph, const Graph& optimized) {
  const Device& cpu = find_device("cpu");
  ColdProgram before(graph, cpu, {}, kRotateBytes);
  ColdProgram after(optimized, cpu, {}, kRotateBytes);
  const std::vector<Tensor> inputs = random_inputs(graph, {}, kSeed + 2);
  before.bind(inputs);
  after.bind(inputs);
  const std::function<void()> contenders[] = {[&] { before.run(); }, [&] { after.run(); }};
  std::vector<Times> races;
  do {
    const std::vector<Timing> timings = time_interleaved(contenders, {.min_seconds = 0.4});
    races.push_back({timings[0].median_ms, timings[1].median_ms});
  } while (races.back().ratio() < 1.0 && races.size() < 3);
  if (races.back().ratio() >= 1.0) return races.back();
  std::sort(races.begin(), races.end(),
            [](const Times& x, const Times& y) { return x.ratio() < y.ratio(); });
  return races[races.size() / 2];
}

Json run(const Graph& graph, double budget_s) {
  OptimizeOptions options;
  options.budget_s = budget_s;
  options.fresh = true;
  const OptimizeResult result = optimize(graph, find_device("cpu"), options);
  const std::optional<std::string> fault = find_fault(graph, result);
  const Times times = race(graph, result.graph);
  Json row;
  row["name"] = graph.name;
  row["input"] = first_input(graph);
  row["operators"] = operators(graph);
  row["before_ms"] = times.before_ms;
  row["after_ms"] = times.after_ms;
  row["ratio"] = times.ratio();
  row["verdict"] = fault ? "wrong: " + *fault : result.verdict;
  if (result.bits) row["bits"] = *result.bits;
  row["search_s"] = result.search_s;
  for (const RegionReport& region : result.regions) row["choices"].push_back(region.choice);
  row["refusal"] = result.refusal;
  row["holds"] = !fault && times.ratio() >= 1.0 - kNoise;
  return row;
}

// A program that the optimiser fails on is a row too.
Json run_or_tell(const Graph& graph, double budget_s) {
  try {
    return run(graph, budget_s);
  } catch (const std::exception& e) {
    Json row;
    row["name"] = graph.name;
    row["input"] = first_input(graph);
    row["operators"] = operators(graph);
    row["verdict"] = fmt::format("failed: {}", e.what());
    row["holds"] = false;
    return row;
  }
}

std::string number(const Json& row, const char* key, int digits) {
  const Json* value = row.find(key);
  return value ? fmt::format("{:.{}f}", value->real(), digits) : "-";
}

void print_row(const Json& row) {
  fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} |\n", row.at("name").text(),
             row.at("input").text(), row.at("operators").text(), number(row, "before_ms", 4),
             number(row, "after_ms", 4), number(row, "ratio", 2), row.at("verdict").text(),
             number(row, "search_s", 1));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const double budget_s = argc > 1 ? std::strtod(argv[1], nullptr) : 30.0;
    Json report;
    report["version"] = 2;
    report["machine"] = find_device("cpu").description();
    report["seed"] = static_cast<std::int64_t>(kSeed);
    report["budget_s"] = budget_s;
    fmt::print(
        "seed {}\n\n| program | first input | operators | unfused ms | optimised ms | "
        "unfused / optimised | verdict | seconds |\n|---|---|---|---|---|---|---|---|\n",
        kSeed);
    bool holds = true;
    for (const Graph& program : argc > 3 ? stored_programs(argv[3]) : odd_programs()) {
      report["rows"].push_back(run_or_tell(program, budget_s));
      const Json& row = report.at("rows").array().back();
      print_row(row);
      holds = holds && row.at("holds").flag();
    }
    if (argc > 2) write_file_atomically(argv[2], report.dump());
    return holds ? 0 : 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "odd_programs: error: {}\n", e.what());
    return 1;
  }
}
