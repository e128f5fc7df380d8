// Verdicts as text and JSON.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "lamina/verify.h"

namespace lamina {
namespace {

// Larger witness tensors are left out of the report.
constexpr std::int64_t kShownElements = 256;

nlohmann::json to_json(const Witness& witness) {
  nlohmann::json inputs = nlohmann::json::array();
  for (std::size_t i = 0; i < witness.inputs.size(); ++i) {
    const Tensor& tensor = witness.inputs[i];
    nlohmann::json input = {{"name", witness.input_names[i]}, {"shape", tensor.shape()}};
    if (tensor.size() <= kShownElements) input["elements"] = tensor.to_doubles();
    inputs.push_back(std::move(input));
  }
  return {{"inputs", inputs},
          {"output", witness.output},
          {"element", witness.element},
          {"first", witness.a},
          {"second", witness.b}};
}

nlohmann::json to_json(const FieldTuple& tuple) {
  nlohmann::json sizes = nlohmann::json::object();
  for (const auto& [name, value] : tuple.sizes) sizes[name] = value;
  return {{"p", tuple.p},
          {"q", tuple.q},
          {"omega", tuple.omega},
          {"seed", tuple.seed},
          {"sizes", sizes}};
}

}  // namespace

std::string Verdict::to_text() const {
  std::string text = fmt::format("{}: {}", to_string(outcome), reason);
  if (runs == 0) return text;
  std::string checked;
  for (const std::string& shape : shapes) checked += (checked.empty() ? "" : ", ") + shape;
  text += fmt::format("\n  checked {}{}", shrunk ? "at smaller shapes: " : "", checked);
  if (!abstracted.empty()) {
    std::string names;
    for (const auto& [name, count] : abstracted) {
      names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", name, count);
    }
    text += "\n  free variables stand for " + names;
  }
  return text;
}

std::string Verdict::to_json() const {
  nlohmann::json json = {{"version", 1},
                         {"verdict", std::string(to_string(outcome))},
                         {"reason", reason},
                         {"bits", nullptr},
                         {"runs", runs},
                         {"compared", compared},
                         {"uncompared", uncompared},
                         {"abstracted", abstracted},
                         {"branches", branches},
                         {"unsupported", unsupported},
                         {"shapes", shapes},
                         {"shrunk", shrunk},
                         {"witness", nullptr}};
  if (bits) json["bits"] = *bits;
  if (witness) json["witness"] = lamina::to_json(*witness);
  json["tuples"] = nlohmann::json::array();
  for (const FieldTuple& tuple : tuples) json["tuples"].push_back(lamina::to_json(tuple));
  return json.dump(2);
}

}  // namespace lamina
