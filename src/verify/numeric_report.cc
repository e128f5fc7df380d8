// Numerical verdicts as text and JSON.
#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "lamina/numeric.h"
#include "verify/report_json.h"

namespace lamina {
namespace {

Json report(const NumericErrors& errors) {
  Json json;
  json["distribution"] = to_string(errors.distribution);
  json["samples"] = errors.samples;
  json["reference"] = errors.reference;
  json["candidate"] = errors.candidate;
  json["compared"] = errors.compared;
  json["undefined"] = errors.undefined;
  json["overflowed"] = errors.overflowed;
  return json;
}

Json report(const Hazard& hazard) {
  Json json;
  json["kind"] = to_string(hazard.kind);
  json["place"] = hazard.place;
  json["detail"] = hazard.detail;
  json["in_reference"] = hazard.in_reference;
  return json;
}

Json report(const NumericWitness& witness) {
  Json json;
  json["distribution"] = to_string(witness.distribution);
  json["sample"] = witness.sample;
  json["inputs"] = Json::Array{};
  for (std::size_t i = 0; i < witness.inputs.size(); ++i) {
    const std::vector<double> elements = witness.inputs[i].to_doubles();
    const auto range = std::minmax_element(elements.begin(), elements.end());
    Json input;
    input["name"] = witness.input_names[i];
    input["low"] = elements.empty() ? Json() : Json(*range.first);
    input["high"] = elements.empty() ? Json() : Json(*range.second);
    add_elements(witness.inputs[i], input);
    json["inputs"].push_back(std::move(input));
  }
  json["output"] = witness.output;
  json["element"] = witness.element;
  json["want"] = witness.want;
  json["reference"] = witness.reference;
  json["candidate"] = witness.candidate;
  return json;
}

Json report(const NumericTypeReport& type) {
  Json json;
  json["dtype"] = traits(type.dtype).name;
  json["verdict"] = to_string(type.outcome);
  json["reason"] = type.reason;
  json["tolerance"] = type.tolerance;
  json["errors"] = list(type.errors, [](const NumericErrors& e) { return report(e); });
  json["skipped"] = list(type.skipped, [](Distribution d) { return Json(to_string(d)); });
  json["reference_bound"] = type.reference_bound ? Json(*type.reference_bound) : Json();
  json["candidate_bound"] = type.candidate_bound ? Json(*type.candidate_bound) : Json();
  json["hazards"] = list(type.hazards, [](const Hazard& h) { return report(h); });
  json["witness"] = type.witness ? report(*type.witness) : Json();
  return json;
}

}  // namespace

std::string_view to_string(NumericOutcome outcome) {
  switch (outcome) {
    case NumericOutcome::kFine:
      return "fine";
    case NumericOutcome::kWorse:
      return "worse";
    case NumericOutcome::kOverflows:
      return "overflows";
    case NumericOutcome::kInconclusive:
      return "inconclusive";
  }
  return "";
}

std::string_view to_string(Distribution distribution) {
  switch (distribution) {
    case Distribution::kNormal:
      return "normal";
    case Distribution::kLarge:
      return "large";
    case Distribution::kCancelling:
      return "cancelling";
    case Distribution::kCorner:
      return "corner";
    case Distribution::kConstantRows:
      return "constant rows";
    case Distribution::kOneHot:
      return "one-hot";
    case Distribution::kTiny:
      return "tiny";
    case Distribution::kMasked:
      return "masked";
  }
  return "";
}

// The most telling first: a budget may not last for all.
std::vector<Distribution> all_distributions() {
  return {Distribution::kNormal, Distribution::kCorner, Distribution::kCancelling,
          Distribution::kLarge,  Distribution::kMasked, Distribution::kConstantRows,
          Distribution::kOneHot, Distribution::kTiny};
}

std::string_view to_string(Hazard::Kind kind) {
  switch (kind) {
    case Hazard::Kind::kOverflow:
      return "overflow";
    case Hazard::Kind::kSingular:
      return "singularity";
    case Hazard::Kind::kDomain:
      return "negative argument";
  }
  return "";
}

std::string NumericReport::to_text() const {
  std::string out;
  for (const NumericTypeReport& type : types) {
    out += fmt::format("{}numeric {}: {}: {}", out.empty() ? "" : "\n", traits(type.dtype).name,
                       to_string(type.outcome), type.reason);
    for (const Hazard& hazard : type.hazards) {
      if (hazard.in_reference) continue;
      out += fmt::format("\n  possible {}: {}: {}", to_string(hazard.kind), hazard.place,
                         hazard.detail);
    }
    if (type.skipped.empty()) continue;
    out += "\n  not measured within the budget:";
    for (const Distribution distribution : type.skipped) {
      out += fmt::format(" {}", to_string(distribution));
    }
  }
  return out;
}

std::string NumericReport::to_json() const {
  Json json;
  json["version"] = 1;
  json["verdict"] = to_string(outcome);
  json["seed"] = static_cast<std::int64_t>(seed);
  json["sizes"] = numbers(sizes);
  json["types"] = list(types, [](const NumericTypeReport& type) { return report(type); });
  return json.dump();
}

}  // namespace lamina
