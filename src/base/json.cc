// JSON values by nlohmann/json.
#include "base/json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"

namespace lamina {
namespace {

using Library = nlohmann::ordered_json;

constexpr int kMaxDepth = 64;

Library to_library(const Json& json);

struct ToLibrary {
  Library operator()(std::monostate) const { return nullptr; }
  Library operator()(bool value) const { return value; }
  Library operator()(std::int64_t value) const { return value; }
  Library operator()(double value) const {
    return std::isfinite(value) ? Library(value) : Library(nullptr);
  }
  Library operator()(const std::string& value) const { return value; }
  Library operator()(const Json::Array& array) const {
    Library out = Library::array();
    for (const Json& element : array) out.push_back(to_library(element));
    return out;
  }
  Library operator()(const Json::Object& object) const {
    Library out = Library::object();
    for (const auto& [key, value] : object) out[key] = to_library(value);
    return out;
  }
};

Library to_library(const Json& json) { return std::visit(ToLibrary{}, json.value()); }

Json from_library(const Library& in) {
  if (in.is_boolean()) return in.get<bool>();
  if (in.is_number_integer()) return in.get<std::int64_t>();
  if (in.is_number()) return in.get<double>();
  if (in.is_string()) return in.get<std::string>();
  if (in.is_array()) {
    Json::Array array;
    for (const Library& element : in) array.push_back(from_library(element));
    return array;
  }
  if (!in.is_object()) return {};
  Json::Object object;
  for (const auto& [key, value] : in.items()) object.emplace_back(key, from_library(value));
  return object;
}

template <class T>
const T& get(const Json& json, const char* wanted) {
  const T* value = std::get_if<T>(&json.value());
  require(value != nullptr, "JSON: expected {}, got {}", wanted, to_library(json).type_name());
  return *value;
}

}  // namespace

Json::Json(const std::vector<std::string>& values) : value_(Array(values.begin(), values.end())) {}

Json& Json::operator[](std::string_view key) {
  if (is_null()) value_ = Object{};
  require(std::holds_alternative<Object>(value_), "JSON: a key of what is not an object");
  auto& members = std::get<Object>(value_);
  for (auto& [name, value] : members) {
    if (name == key) return value;
  }
  members.emplace_back(std::string(key), Json());
  return members.back().second;
}

void Json::push_back(Json value) {
  if (is_null()) value_ = Array{};
  require(std::holds_alternative<Array>(value_), "JSON: an element of what is not an array");
  std::get<Array>(value_).push_back(std::move(value));
}

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : object()) {
    if (name == key) return &value;
  }
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  const Json* value = find(key);
  require(value != nullptr, "JSON: the key '{}' is missing", key);
  return *value;
}

bool Json::flag() const { return get<bool>(*this, "a flag"); }
std::int64_t Json::integer() const { return get<std::int64_t>(*this, "an integer"); }
double Json::real() const {
  if (const auto* whole = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*whole);
  return get<double>(*this, "a number");
}
const std::string& Json::text() const { return get<std::string>(*this, "a text"); }
const Json::Array& Json::array() const { return get<Array>(*this, "an array"); }
const Json::Object& Json::object() const { return get<Object>(*this, "an object"); }

std::string Json::dump() const {
  return to_library(*this).dump(2, ' ', false, Library::error_handler_t::replace) + "\n";
}

Json Json::parse(std::string_view text) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int depth, Library::parse_event_t event, Library& parsed) {
    require(depth <= kMaxDepth, "JSON: nested more than {} levels", kMaxDepth);
    if (event == Library::parse_event_t::object_start) keys.emplace_back();
    if (event == Library::parse_event_t::object_end) keys.pop_back();
    if (event == Library::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      require(keys.back().insert(key).second, "JSON: the key '{}' is there twice", key);
    }
    return true;
  };
  try {
    return from_library(Library::parse(text, watch));
  } catch (const Library::exception& e) {
    fail(ErrorCode::kInvalidArgument, "JSON: {}", e.what());
  }
}

}  // namespace lamina
