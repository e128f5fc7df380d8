// What reports of verdicts share: lists, sizes, tensors.
#pragma once

#include <cstdint>

#include "base/json.h"
#include "lamina/tensor.h"

namespace lamina {

// Larger tensors are left out of reports.
constexpr std::int64_t kShownElements = 256;

// An array of what `convert` makes of each item.
template <class Items, class Convert>
Json list(const Items& items, Convert convert) {
  Json json = Json::Array{};
  for (const auto& item : items) json.push_back(convert(item));
  return json;
}

// An object of numbers by name.
template <class Map>
Json numbers(const Map& map) {
  Json json = Json::Object{};
  for (const auto& [name, value] : map) json[name] = value;
  return json;
}

// Adds "elements" unless there are too many.
inline void add_elements(const Tensor& tensor, Json& json) {
  if (tensor.size() > kShownElements) return;
  json["elements"] = list(tensor.to_doubles(), [](double x) { return Json(x); });
}

}  // namespace lamina
