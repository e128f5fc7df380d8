// Writes optimisation results for people and for programs.
#include "cli/optimize_report.h"

#include <fmt/core.h>

#include <algorithm>

namespace lamina::cli {
namespace {

using Row = std::vector<std::string>;

// Columns as wide as their widest cell; the first and the last to the left, numbers to the right.
std::string align(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line = fmt::format("{:<{}}", row[0], widths[0]);
    for (std::size_t c = 1; c + 1 < row.size(); ++c) {
      line += fmt::format("  {:>{}}", row[c], widths[c]);
    }
    text += line + "  " + row.back() + "\n";
  }
  return text;
}

std::string milliseconds(double value) { return fmt::format("{:.4f}", value); }

std::string ratio_text(double before, double after) {
  return after > 0 ? fmt::format("{:.2f}x", before / after) : "-";
}

double ratio(double before, double after) { return after > 0 ? before / after : 0.0; }

std::string_view stop_reason(StopReason reason) {
  switch (reason) {
    case StopReason::kFinished:
      return "finished";
    case StopReason::kBudget:
      return "budget";
    case StopReason::kStopped:
      return "stopped";
  }
  return "";
}

// The proof of output elements at full shape.
Json describe_elements(const RegionReport& region) {
  const Json verdict = Json::parse(region.full_shape->to_json());
  Json row;
  for (const char* key : {"verdict", "reason", "bits", "elements"}) {
    row[key] = verdict.at(key);
  }
  row["passes"] = static_cast<std::int64_t>(region.full_shape->passes);
  row["seconds"] = region.seconds.elements;
  return row;
}

std::string elements_text(const RegionReport& region) {
  if (!region.full_shape) return "-";
  const Verdict& verdict = *region.full_shape;
  if (verdict.outcome != Outcome::kEquivalent && !verdict.short_of_bits) {
    return std::string(to_string(verdict.outcome));
  }
  return fmt::format("{} elements agree, {:.0f} bits, {:.1f} s", verdict.elements.size(),
                     verdict.bits.value_or(0.0), region.seconds.elements);
}

Json describe(const RegionReport& region) {
  Json row;
  row["name"] = region.name;
  row["hash"] = region.hash;
  row["count"] = region.count;
  row["nodes"] = region.nodes;
  row["before_ms"] = region.before_ms;
  row["after_ms"] = region.after_ms;
  row["ratio"] = ratio(region.before_ms, region.after_ms);
  row["spread"] = region.spread;
  row["verdict"] = region.verdict;
  row["bits"] = region.bits ? Json(*region.bits) : Json();
  row["proof"] = region.proof ? Json::parse(region.proof->to_json()) : Json();
  row["full_shape"] = region.full_shape ? describe_elements(region) : Json();
  row["choice"] = region.choice;
  row["states"] = region.states;
  row["pruned"] = region.pruned;
  row["unsafe"] = region.unsafe;
  row["large"] = region.large;
  row["misfits"] = region.misfits;
  row["merged"] = region.merged;
  row["values"] = region.values;
  row["enumerate_s"] = region.enumerate_s;
  row["candidates"] = region.candidates;
  row["judged"] = region.judged;
  row["resumed"] = region.resumed;
  row["refused"] = region.refused;
  row["timed"] = region.timed;
  row["from_cache"] = region.from_cache;
  row["search_s"] = region.search_s;
  Json& seconds = row["seconds"];
  seconds["prove"] = region.seconds.prove;
  seconds["compile"] = region.seconds.compile;
  seconds["compare"] = region.seconds.compare;
  seconds["screen"] = region.seconds.screen;
  seconds["race"] = region.seconds.race;
  seconds["elements"] = region.seconds.elements;
  return row;
}

// What a program of all sizes and one of a class have in common.
void describe(const OptimizeResult& result, Json& row) {
  row["before_ms"] = result.before_ms;
  row["after_ms"] = result.after_ms;
  row["ratio"] = result.ratio();
  row["spread"] = result.spread;
  row["verdict"] = result.verdict;
  row["bits"] = result.bits ? Json(*result.bits) : Json();
  row["refusal"] = result.refusal.empty() ? Json() : Json(result.refusal);
  row["search_s"] = result.search_s;
  row["stopped"] = stop_reason(result.stopped);
  row["warnings"] = Json(result.warnings);
  row["regions"] = Json::Array{};
  for (const RegionReport& region : result.regions) row["regions"].push_back(describe(region));
}

Json describe_class(const OptimizeResult& result) {
  Json row;
  row["name"] = to_string(result.sizes);
  for (const SizeRange& range : result.sizes) {
    row["sizes"][range.name] = Json::Array{Json(range.min), Json(range.max)};
  }
  row["general_ms"] = result.general_ms;
  row["own_ms"] = result.own_ms;
  row["gain"] = ratio(result.general_ms, result.own_ms);
  describe(result, row);
  return row;
}

}  // namespace

Json describe(const ProgramResult& program) {
  Json row;
  row["name"] = program.name;
  row["model"] = program.model;
  describe(program.result, row);
  row["classes"] = Json::Array{};
  for (const OptimizeResult& each : program.result.classes) {
    row["classes"].push_back(describe_class(each));
  }
  return row;
}

std::string report_head(const Json& report) {
  return fmt::format("lamina {}, target {}: {}\n\n", report.at("lamina").text(),
                     report.at("target").text(), report.at("machine").text());
}

std::string program_table(std::span<const ProgramResult> programs) {
  std::vector<Row> rows = {{"program", "before ms", "after ms", "ratio", "spread", "verdict"}};
  for (const ProgramResult& program : programs) {
    const OptimizeResult& result = program.result;
    std::string verdict = result.verdict;
    if (!result.refusal.empty()) verdict += " (" + result.refusal + ")";
    if (result.stopped == StopReason::kBudget) verdict += " (budget spent)";
    if (result.stopped == StopReason::kStopped) verdict += " (stopped)";
    rows.push_back({program.name, milliseconds(result.before_ms), milliseconds(result.after_ms),
                    ratio_text(result.before_ms, result.after_ms),
                    fmt::format("{:.0f} %", 100.0 * result.spread), verdict});
  }
  return align(rows);
}

std::string class_table(std::span<const ProgramResult> programs) {
  std::vector<Row> rows = {{"class", "all sizes ms", "own ms", "gain", "verdict"}};
  for (const ProgramResult& program : programs) {
    for (const OptimizeResult& each : program.result.classes) {
      std::string verdict = each.verdict;
      if (!each.refusal.empty()) verdict += " (" + each.refusal + ")";
      if (each.stopped == StopReason::kBudget) verdict += " (budget spent)";
      const std::string sizes = to_string(each.sizes);
      rows.push_back({programs.size() == 1 ? sizes : program.name + ": " + sizes,
                      milliseconds(each.general_ms), milliseconds(each.own_ms),
                      ratio_text(each.general_ms, each.own_ms), verdict});
    }
  }
  return rows.size() == 1 ? "" : "\n" + align(rows);
}

std::string region_table(std::span<const ProgramResult> programs) {
  std::vector<Row> rows = {{"subprogram", "times", "nodes", "before ms", "after ms", "ratio",
                            "tried", "refused", "full shape", "choice"}};
  for (const ProgramResult& program : programs) {
    for (const RegionReport& region : program.result.regions) {
      rows.push_back({programs.size() == 1 ? region.name : program.name + ": " + region.name,
                      std::to_string(region.count), std::to_string(region.nodes),
                      milliseconds(region.before_ms), milliseconds(region.after_ms),
                      ratio_text(region.before_ms, region.after_ms),
                      std::to_string(region.candidates), std::to_string(region.refused),
                      elements_text(region),
                      region.choice + (region.from_cache ? " (from cache)" : "")});
    }
  }
  return rows.size() == 1 ? "" : "\n" + align(rows);
}

}  // namespace lamina::cli
