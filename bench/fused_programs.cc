// Which fused programs are found for the example programs: those of the paper's section 7
// (arXiv:2405.05751) as tiles of a processor, and what the optimiser returns.
//
//   fused_programs [BUDGET_SECONDS [OUT.json [PROGRAM...]]]
//
// A PROGRAM is a path under examples/programs without .lam; all when none is given. With a budget
// of 0 nothing is compiled or timed: only what the search offers is looked at. Exit status 1 when
// the paper's form of a program is not offered or not proved, or a program takes more than a
// minute.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/files.h"
#include "base/json.h"
#include "graph/op_def.h"
#include "lamina/bench.h"
#include "lamina/io.h"
#include "lamina/machine.h"
#include "lamina/optimize.h"
#include "search/block_program.h"
#include "search/candidates.h"
#include "search/judge.h"
#include "search/partition.h"
#include "search/region.h"

namespace {

using namespace lamina;

constexpr double kMostSeconds = 60.0;
constexpr int kThreads = 2;

// The paper's form: the region that is searched (all of the program, but for the first product of
// moe) in so many blocks, of which one has so many accumulators.
struct Form {
  const char* program;
  std::size_t blocks;
  std::size_t accumulators;
};

// A sum over the whole inner axis is one tile here: the product loops over it itself. An attention
// has three accumulators: the running maximum, the sum and the product, both rescaled.
constexpr Form kForms[] = {
    {"rms_norm_linear", 1, 0},
    {"gated_mlp", 1, 0},
    {"lora", 1, 0},
    {"gqa", 1, 3},
    {"qk_norm_gqa", 1, 3},
    {"norm_transformer", 1, 0},
    {"mha", 1, 3},
    {"mqa", 1, 3},
    {"moe", 1, 0},
    {"batch_1/rms_norm_linear", 1, 0},
    {"batch_1/gqa", 1, 3},
    {"batch_1/qk_norm_gqa", 1, 3},
    {"batch_1/norm_transformer", 1, 0},
    {"batch_1/mha", 1, 3},
    {"batch_1/mqa", 1, 3},
};

struct Shape {
  std::size_t blocks = 0;
  std::size_t accumulators = 0;  // of the block that has most
  std::size_t outside = 0;       // operators in no block
  std::string words;
};

std::string describe_block(const Node& node) {
  std::vector<std::string_view> operators;
  for (const Node& inner : node.graphs[0].nodes) {
    const std::string_view name = op_name(inner);
    const bool counts = name != "input" && name != "constant" && name != "load" &&
                        name != "store" && name != "after";
    if (counts) operators.push_back(name);
  }
  return fmt::format("grid {} loop {}, {} accumulators: {}", to_string(node.attrs.dims("grid")),
                     to_string(node.attrs.dims("loop")), node.graphs[0].updates.size(),
                     fmt::join(operators, " "));
}

Shape shape_of(const Graph& graph) {
  Shape shape;
  std::vector<std::string> words;
  for (const NodeId id : search::operator_nodes(graph)) {
    const Node& node = graph.nodes[static_cast<std::size_t>(id)];
    if (op_name(node) == "block") {
      ++shape.blocks;
      shape.accumulators = std::max(shape.accumulators, node.graphs[0].updates.size());
      words.push_back(describe_block(node));
    } else {
      ++shape.outside;
      words.emplace_back(op_name(node));
    }
  }
  shape.words = fmt::format("{}", fmt::join(words, "; "));
  return shape;
}

bool has_form(const Shape& shape, const Form& form) {
  return shape.outside == 0 && shape.blocks == form.blocks &&
         shape.accumulators >= form.accumulators;
}

// The first candidate of the paper's form, whether it is proved, and what the search for it did.
Json find_form(const Graph& graph, const Form& form, const CpuMachine& machine) {
  Json row;
  row["offered"] = false;
  row["bits"] = 0.0;
  const Graph prepared = search::prepare(graph);
  const search::Rates rates = search::rates_of(machine, kThreads);
  const std::vector<search::Region> regions = search::partition(prepared, rates).regions;
  if (regions.size() != 1) return row;
  const Graph program = search::cut(prepared, regions[0]);
  search::Limits limits;
  limits.threads = kThreads;
  limits.machine = search::block_machine(machine, kThreads);
  const search::Candidates found = search::all_candidates(program, rates, limits);
  row["states"] = found.statistics.states;
  row["search_s"] = found.seconds;
  const search::Judge judge(program, {}, 1);
  for (std::size_t i = 0; i < found.recipes.size(); ++i) {
    const auto candidate = search::apply(program, found.recipes[i]);
    const Shape shape = candidate ? shape_of(*candidate) : Shape{};
    if (!has_form(shape, form)) continue;
    row["offered"] = true;
    row["searched"] = found.recipes[i].parts[0].program.has_value();
    row["rank"] = static_cast<std::int64_t>(i + 1);
    row["form"] =
        shape_of(search::replace(prepared, std::array{search::Replacement{regions[0], *candidate}}))
            .words;
    row["bits"] = judge.prove(found.recipes[i], found.recipes.size()).bits.value_or(0.0);
    break;
  }
  return row;
}

void add_result(Json& row, const Graph& graph, double budget_s) {
  OptimizeOptions options;
  options.budget_s = budget_s;
  options.fresh = true;
  const auto start = std::chrono::steady_clock::now();
  const OptimizeResult result = optimize(graph, find_device("cpu"), options);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  row["seconds"] = taken.count();
  row["verdict"] = result.verdict;
  row["ratio"] = result.ratio();
  row["returned"] = shape_of(result.graph).words;
  row["refusal"] = result.refusal;
}

Json run(const Form& form, const std::string& suffix, double budget_s, const CpuMachine& machine) {
  const std::string path = fmt::format("examples/programs/{}{}.lam", form.program, suffix);
  const Graph graph = load_model(path);
  Json row = find_form(graph, form, machine);
  row["program"] = form.program + suffix;
  bool holds = row.at("offered").flag() && row.at("bits").real() >= 80.0;
  if (budget_s > 0.0) {
    add_result(row, graph, budget_s);
    holds = holds && row.at("seconds").real() <= kMostSeconds;
  }
  row["holds"] = holds;
  return row;
}

void print_row(const Json& row) {
  const auto number = [&](const char* key, int digits) {
    const Json* value = row.find(key);
    return value ? fmt::format("{:.{}f}", value->real(), digits) : "-";
  };
  const auto words = [&](const char* key) {
    const Json* value = row.find(key);
    return value ? value->text() : "-";
  };
  const bool searched = row.find("searched") != nullptr && row.at("searched").flag();
  fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} |\n", row.at("program").text(), words("form"),
             searched ? "search" : "rules", number("bits", 0), number("search_s", 2),
             words("returned"), number("ratio", 2), number("seconds", 0));
  std::fflush(stdout);
}

int run_all(double budget_s, const char* out, std::span<char*> names) {
  Json report;
  report["version"] = 1;
  report["machine"] = find_device("cpu").description();
  report["budget_s"] = budget_s;
  const CpuMachine machine = load_cpu_machine("share/machines/epyc_zen3.json");
  fmt::print(
      "| program | the paper's form, as it is offered | by | bits | search s | returned | unfused "
      "/ "
      "returned | seconds |\n|---|---|---|---|---|---|---|---|\n");
  bool holds = true;
  for (const Form& form : kForms) {
    const bool wanted = names.empty() || std::any_of(names.begin(), names.end(), [&](char* name) {
                          return std::string_view(name) == form.program;
                        });
    for (const char* suffix : {"", "_bf16"}) {
      if (!wanted) continue;
      report["rows"].push_back(run(form, suffix, budget_s, machine));
      const Json& row = report.at("rows").array().back();
      print_row(row);
      holds = holds && row.at("holds").flag();
    }
  }
  if (out != nullptr) write_file_atomically(out, report.dump());
  return holds ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const double budget_s = argc > 1 ? std::strtod(argv[1], nullptr) : 30.0;
    const std::span<char*> names(argv + std::min(argc, 3), argv + argc);
    return run_all(budget_s, argc > 2 ? argv[2] : nullptr, names);
  } catch (const std::exception& e) {
    fmt::print(stderr, "fused_programs: error: {}\n", e.what());
    return 1;
  }
}
