// Reading the objects of our JSON files: messages name the file, the place and the key.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/json.h"

namespace lamina::pipeline {

class JsonFields {
 public:
  // `place` says in messages what the object is, e.g. "plan.json: stage 3".
  JsonFields(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
    require(std::holds_alternative<Json::Object>(json.value()), "{}: expected an object", place_);
  }

  // To be called when all that counts was read: of a misspelt key the rest would be left out.
  void refuse_unread(std::initializer_list<std::string_view> others = {}) const {
    for (const auto& [key, value] : json_.object()) {
      const bool is_known = std::find(read_.begin(), read_.end(), key) != read_.end() ||
                            std::find(others.begin(), others.end(), key) != others.end();
      require(is_known, "{}: there is no key '{}'", place_, key);
    }
  }

  const Json& at(std::string_view key) const {
    const Json* value = find(key);
    require(value != nullptr, "{}: '{}' is missing", place_, key);
    return *value;
  }
  const Json::Array& array(std::string_view key) const {
    const Json& value = at(key);
    require(std::holds_alternative<Json::Array>(value.value()), "{}: '{}' must be a list", place_,
            key);
    return value.array();
  }
  std::string text(std::string_view key) const {
    const Json& value = at(key);
    require(std::holds_alternative<std::string>(value.value()), "{}: '{}' must be a text", place_,
            key);
    return value.text();
  }
  // Not negative.
  double number(std::string_view key) const { return number_of(at(key), key); }
  double number_or(std::string_view key, double fallback) const {
    const Json* value = find(key);
    return value == nullptr ? fallback : number_of(*value, key);
  }
  // From 0 to 2^31 - 1.
  int integer(std::string_view key) const { return integer_of(at(key), key); }
  int integer_or(std::string_view key, int fallback) const {
    const Json* value = find(key);
    return value == nullptr ? fallback : integer_of(*value, key);
  }
  bool flag_or(std::string_view key, bool fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    require(std::holds_alternative<bool>(value->value()), "{}: '{}' must be true or false", place_,
            key);
    return value->flag();
  }
  const std::string& place() const { return place_; }

  int integer_of(const Json& value, std::string_view key) const {
    const auto* whole = std::get_if<std::int64_t>(&value.value());
    require(whole != nullptr && *whole >= 0 && *whole <= INT32_MAX,
            "{}: '{}' must be a whole number from 0 to {}", place_, key, INT32_MAX);
    return static_cast<int>(*whole);
  }

 private:
  const Json* find(std::string_view key) const {
    read_.push_back(key);
    return json_.find(key);
  }
  double number_of(const Json& value, std::string_view key) const {
    const bool any = std::holds_alternative<std::int64_t>(value.value()) ||
                     std::holds_alternative<double>(value.value());
    require(any, "{}: '{}' must be a number", place_, key);
    require(std::isfinite(value.real()) && value.real() >= 0.0,
            "{}: '{}' must not be negative, got {}", place_, key, value.real());
    return value.real();
  }

  const Json& json_;
  std::string place_;
  mutable std::vector<std::string_view> read_;  // keys that were asked for
};

// A JSON text of our own: an object with `version` 1 and `kind`.
Json parse_versioned(std::string_view text, std::string_view source, std::string_view kind);

}  // namespace lamina::pipeline
