// Verdicts as text and JSON.
#include <fmt/core.h>

#include "base/json.h"
#include "lamina/verify.h"
#include "verify/report_json.h"

namespace lamina {
namespace {

Json report(const Witness& witness) {
  Json json;
  json["inputs"] = Json::Array{};
  for (std::size_t i = 0; i < witness.inputs.size(); ++i) {
    const Tensor& tensor = witness.inputs[i];
    Json input;
    input["name"] = witness.input_names[i];
    input["dtype"] = traits(tensor.dtype()).name;
    input["shape"] = list(tensor.shape(), [](std::int64_t size) { return Json(size); });
    add_elements(tensor, input);
    json["inputs"].push_back(std::move(input));
  }
  json["output"] = witness.output;
  json["element"] = witness.element;
  json["first"] = witness.a;
  json["second"] = witness.b;
  return json;
}

Json report(const FieldTuple& tuple) {
  Json json;
  json["p"] = static_cast<std::int64_t>(tuple.p);
  json["q"] = static_cast<std::int64_t>(tuple.q);
  json["omega"] = static_cast<std::int64_t>(tuple.omega);
  json["root_p"] = static_cast<std::int64_t>(tuple.root_p);
  json["root_q"] = static_cast<std::int64_t>(tuple.root_q);
  json["candidates"] = tuple.candidates;
  json["pass"] = tuple.pass;
  json["seed"] = tuple.seed;
  json["sizes"] = numbers(tuple.sizes);
  return json;
}

Json report(const PassDigest& digest, std::size_t index) {
  Json json;
  json["pass"] = static_cast<std::int64_t>(index + 1);
  json["digest_a"] = digest.a;
  json["digest_b"] = digest.b;
  return json;
}

Json report(const OutputBound& bound) {
  Json json;
  json["output"] = bound.output;
  json["t1"] = bound.t1;
  json["t2"] = bound.t2;
  json["t12"] = bound.t12;
  return json;
}

Json report(const CheckedElement& element) {
  Json json;
  json["output"] = element.output;
  json["at"] = list(element.at, [](std::int64_t place) { return Json(place); });
  json["verdict"] = to_string(element.outcome);
  json["bits"] = element.bits ? Json(*element.bits) : Json();
  json["operations"] = element.operations;
  return json;
}

}  // namespace

std::string Verdict::to_text() const {
  std::string text(to_string(outcome));
  if (outcome == Outcome::kEquivalent && cells > 0 && !all_cells) {
    text += fmt::format(" on the {} cells seen", cells);
  }
  if (!elements.empty()) text += fmt::format(" at {} elements", elements.size());
  text += proved ? ", proved: " : close ? ", but numerically close: " : ": ";
  text += reason;
  if (close) {
    text +=
        fmt::format("\n  largest relative difference at the points tried: at most {:.2g}", *close);
  }
  if (passes == 0) return text;
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
  for (const OutputBound& bound : bounds) {
    text +=
        fmt::format("\n  '{}': bits per pair of primes by theorem T1 {:.1f}, T2 {:.1f}, T12 {:.1f}",
                    bound.output, bound.t1, bound.t2, bound.t12);
  }
  return text;
}

std::string Verdict::to_json() const {
  Json json;
  json["version"] = 2;
  json["verdict"] = to_string(outcome);
  json["reason"] = reason;
  json["proved"] = proved;
  json["bits"] = bits ? Json(*bits) : Json();
  json["passes"] = Json::Array{};
  for (std::size_t k = 0; k < digests.size(); ++k) json["passes"].push_back(report(digests[k], k));
  json["bounds"] = list(bounds, [](const OutputBound& bound) { return report(bound); });
  json["compared"] = compared;
  json["uncompared"] = uncompared;
  json["abstracted"] = numbers(abstracted);
  json["branches"] = branches;
  json["cells"] = cells;
  json["all_cells"] = all_cells;
  json["unsupported"] = Json(unsupported);
  json["shapes"] = Json(shapes);
  json["shrunk"] = shrunk;
  json["level"] = level;
  json["elements"] = list(elements, [](const CheckedElement& element) { return report(element); });
  json["conjectural_tuples"] = static_cast<std::int64_t>(conjectural_tuples);
  json["witness"] = witness ? report(*witness) : Json();
  json["close"] = close ? Json(*close) : Json();
  json["tuples"] = list(tuples, [](const FieldTuple& tuple) { return report(tuple); });
  return json.dump();
}

}  // namespace lamina
