// Networks as planners see them: what is a valid one, and their JSON form.
#include <cmath>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "lamina/pipeline.h"
#include "pipeline/json_fields.h"
#include "pipeline/profiles.h"

namespace lamina::pipeline {
namespace {

constexpr std::string_view kKind = "computation";

// The costs of an operator by their names in JSON.
template <class Self, class Visit>
void costs_of(Self& op, Visit&& visit) {
  visit("forward_s", op.forward_s);
  visit("input_gradient_s", op.input_gradient_s);
  visit("weight_gradient_s", op.weight_gradient_s);
  visit("fixed_s", op.fixed_s);
  visit("parameter_bytes", op.parameter_bytes);
  visit("saved_bytes", op.saved_bytes);
  visit("split_bytes", op.split_bytes);
  visit("workspace_bytes", op.workspace_bytes);
  visit("fixed_bytes", op.fixed_bytes);
  visit("update_s", op.update_s);
}

Computation read(const Json& json, std::string_view source) {
  const JsonFields fields(json, std::string(source));
  Computation result;
  result.name = fields.text("name");
  result.optimizer_ratio = fields.number_or("optimizer_ratio", result.optimizer_ratio);
  for (const Json& each : fields.array("operators")) {
    const JsonFields op(each, fmt::format("{}: operator {}", source, result.operators.size()));
    Operator& added = result.operators.emplace_back();
    added.name = op.text("name");
    costs_of(added, [&](std::string_view key, double& cost) { cost = op.number_or(key, 0.0); });
    op.refuse_unread();
  }
  for (const Json& each : fields.array("edges")) {
    const JsonFields edge(each, fmt::format("{}: edge {}", source, result.edges.size()));
    result.edges.push_back({edge.integer("from"), edge.integer("to"), edge.number("bytes")});
    edge.refuse_unread();
  }
  fields.refuse_unread({"kind", "version"});
  return result;
}

}  // namespace

void validate(const Computation& computation) {
  const auto count = static_cast<int>(computation.operators.size());
  require(count > 0, "computation '{}' has no operators", computation.name);
  for (int i = 0; i < count; ++i) {
    const Operator& op = computation.operators[static_cast<std::size_t>(i)];
    costs_of(op, [&](std::string_view key, double cost) {
      require(std::isfinite(cost) && cost >= 0.0,
              "operator {} ('{}'): {} must be a number that is not negative, got {}", i, op.name,
              key, cost);
    });
  }
  for (const Edge& edge : computation.edges) {
    require(edge.from >= 0 && edge.to < count, "edge {} -> {} leaves the {} operators", edge.from,
            edge.to, count);
    require(edge.from < edge.to, "edge {} -> {} goes back: operators are in topological order",
            edge.from, edge.to);
    require(std::isfinite(edge.bytes) && edge.bytes >= 0.0,
            "edge {} -> {}: bytes must not be negative, got {}", edge.from, edge.to, edge.bytes);
  }
}

std::string to_json(const Computation& computation) {
  Json json;
  json["kind"] = kKind;
  json["version"] = 1;
  json["name"] = computation.name;
  json["optimizer_ratio"] = computation.optimizer_ratio;
  json["operators"] = Json::Array();
  for (const Operator& op : computation.operators) {
    Json each;
    each["name"] = op.name;
    costs_of(op, [&](std::string_view key, double cost) {
      if (cost > 0.0) each[key] = cost;
    });
    json["operators"].push_back(std::move(each));
  }
  json["edges"] = Json::Array();
  for (const Edge& edge : computation.edges) {
    Json each;
    each["from"] = edge.from;
    each["to"] = edge.to;
    each["bytes"] = edge.bytes;
    json["edges"].push_back(std::move(each));
  }
  return json.dump();
}

Computation parse_computation(std::string_view text, std::string_view source, double batch) {
  require(batch > 0.0, "{}: the batch of a profile must be positive, got {}", source, batch);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  require(first != std::string_view::npos, "{}: expected a computation, got an empty file", source);
  Computation result;
  if (text[first] != '{') {
    result = read_pipedream(text, source, batch);
  } else if (text.find("\"TMPCs\"") != std::string_view::npos) {
    result = read_piper(text, source);
  } else {
    result = read(parse_versioned(text, source, kKind), source);
  }
  try {
    validate(result);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", source, error.what());
  }
  return result;
}

Computation load_computation(const std::string& path, double batch) {
  return parse_computation(read_file(path), path, batch);
}

}  // namespace lamina::pipeline
