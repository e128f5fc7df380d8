// Fields of options structs from text and from JSON.
#include "base/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace lamina {
namespace {

template <class T>
T number(std::string_view text, std::string_view wanted) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  require(error == std::errc() && stop == end && !text.empty(), "expected {}, got '{}'", wanted,
          text);
  return value;
}

int narrow(std::int64_t value) {
  require(value >= std::numeric_limits<int>::min() && value <= std::numeric_limits<int>::max(),
          "{} is out of range", value);
  return static_cast<int>(value);
}

struct TimeUnit {
  std::string_view suffix;
  double seconds;
};

// "ms" before "s" and "m": the first suffix that fits is taken.
constexpr TimeUnit kTimeUnits[] = {{"ms", 1e-3}, {"s", 1.0}, {"m", 60.0}, {"h", 3600.0}};

}  // namespace

Seconds parse_seconds(std::string_view text) {
  double unit = 1.0;
  std::string_view digits = text;
  for (const TimeUnit& row : kTimeUnits) {
    if (!text.ends_with(row.suffix)) continue;
    unit = row.seconds;
    digits.remove_suffix(row.suffix.size());
    break;
  }
  const double value = unit * number<double>(digits, "a time such as 60s, 250ms or 2m");
  require(std::isfinite(value) && value >= 0.0, "expected a time, got '{}'", text);
  return {value};
}

std::string to_string(Seconds seconds) { return fmt::format("{}s", seconds.value); }

void set_field(bool& field, const std::string& text) {
  require(text == "true" || text == "false", "expected true or false, got '{}'", text);
  field = text == "true";
}
void set_field(int& field, const std::string& text) { field = number<int>(text, "an integer"); }
void set_field(std::int64_t& field, const std::string& text) {
  field = number<std::int64_t>(text, "an integer");
}
void set_field(double& field, const std::string& text) { field = number<double>(text, "a number"); }
void set_field(std::string& field, const std::string& text) { field = text; }
void set_field(std::vector<std::string>& field, const std::string& text) { field.push_back(text); }
void set_field(Seconds& field, const std::string& text) { field = parse_seconds(text); }

void set_field(bool& field, const Json& json) { field = json.flag(); }
void set_field(int& field, const Json& json) { field = narrow(json.integer()); }
void set_field(std::int64_t& field, const Json& json) { field = json.integer(); }
void set_field(double& field, const Json& json) { field = json.real(); }
void set_field(std::string& field, const Json& json) { field = json.text(); }
void set_field(std::vector<std::string>& field, const Json& json) {
  field.clear();
  for (const Json& element : json.array()) field.push_back(element.text());
}
void set_field(Seconds& field, const Json& json) { field = parse_seconds(json.text()); }

namespace detail {

Flag flag_of(std::string_view name, std::string_view help, const Json& fallback) {
  Flag flag;
  flag.name = name;
  flag.help = help;
  flag.positional = std::all_of(name.begin(), name.end(), [](char c) { return c < 'a'; });
  flag.required = flag.positional && !name.starts_with('[');
  if (name.starts_with('[')) flag.name = name.substr(1, name.size() - 2);
  if (!flag.positional) std::replace(flag.name.begin(), flag.name.end(), '_', '-');
  if (const auto* text = std::get_if<std::string>(&fallback.value())) {
    flag.fallback = *text;
  } else if (std::holds_alternative<std::int64_t>(fallback.value())) {
    flag.fallback = std::to_string(fallback.integer());
  } else if (std::holds_alternative<double>(fallback.value())) {
    flag.fallback = fmt::format("{}", fallback.real());
  }
  return flag;
}

void refuse_key(std::string_view key) {
  fail(ErrorCode::kInvalidArgument, "unknown option '{}'", key);
}

}  // namespace detail
}  // namespace lamina
