// JSON values for reports and options, without the library behind them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace lamina {

// Null, flag, integer, real, text, array or object; objects keep the order of their keys.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  using Value =
      std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object>;

  Json() = default;                                              // null
  Json(bool value) : value_(value) {}                            // NOLINT: values convert
  Json(int value) : value_(static_cast<std::int64_t>(value)) {}  // NOLINT
  Json(std::int64_t value) : value_(value) {}                    // NOLINT
  Json(double value) : value_(value) {}                          // NOLINT
  Json(const char* value) : value_(std::string(value)) {}        // NOLINT
  Json(std::string value) : value_(std::move(value)) {}          // NOLINT
  Json(std::string_view value) : value_(std::string(value)) {}   // NOLINT
  Json(Array value) : value_(std::move(value)) {}                // NOLINT
  Json(Object value) : value_(std::move(value)) {}               // NOLINT
  Json(const std::vector<std::string>& values);                  // NOLINT: an array of texts

  const Value& value() const { return value_; }
  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  // The value of an object's key, made null when it is absent; null becomes an object first.
  Json& operator[](std::string_view key);
  // Adds to an array; null becomes an array first.
  void push_back(Json value);

  // Throw kInvalidArgument when the value is of another kind or the key is absent. real() accepts
  // integers.
  const Json& at(std::string_view key) const;
  const Json* find(std::string_view key) const;  // nullptr when absent
  bool flag() const;
  std::int64_t integer() const;
  double real() const;
  const std::string& text() const;
  const Array& array() const;
  const Object& object() const;

  // Indented by two spaces, ending with a line end. Infinities and NaN, which JSON lacks, become
  // null; bytes that are not UTF-8 become U+FFFD.
  std::string dump() const;
  // Throws kInvalidArgument for what is not JSON or is nested more than 64 levels.
  static Json parse(std::string_view text);

  bool operator==(const Json&) const = default;

 private:
  Value value_;
};

}  // namespace lamina
