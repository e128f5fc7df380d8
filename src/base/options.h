// Options structs list their fields once; flags, --help and JSON derive from that list.
//
//   struct ShowOptions {
//     std::string model;
//     int threads = 0;
//     template <class Self, class Visit>
//     static void fields(Self& self, Visit&& visit) {
//       visit("MODEL", self.model, "a model file");
//       visit("threads", self.threads, "worker threads; 0: one per core");
//     }
//   };
//
// A name in capitals is a required argument without a flag, one in brackets ("[MODEL]") may be left
// out; "output_dir" is the flag --output-dir and the JSON key output_dir. Fields are bool (a
// switch), int, std::int64_t, double, std::string, std::vector<std::string> (a flag with several
// values) and Seconds.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace lamina {

// A span of time: "90", "90s", "250ms", "2m", "1h".
struct Seconds {
  double value = 0.0;

  bool operator==(const Seconds&) const = default;
};
Seconds parse_seconds(std::string_view text);  // throws kInvalidArgument
std::string to_string(Seconds seconds);

// One field as the command line sees it. `set` writes into the options struct, which must outlive
// the flag; it throws kInvalidArgument.
struct Flag {
  std::string name;  // "output-dir", or "MODEL" for an argument
  std::string help;
  std::string value_name;  // "N", "TEXT", ...; "" for switches
  std::string fallback;    // the default as text; "" when it is empty
  bool positional = false;
  bool required = false;
  bool repeated = false;
  std::function<void(const std::string&)> set;
};

// Sets a field from text: what flags do. Throws kInvalidArgument.
void set_field(bool& field, const std::string& text);
void set_field(int& field, const std::string& text);
void set_field(std::int64_t& field, const std::string& text);
void set_field(double& field, const std::string& text);
void set_field(std::string& field, const std::string& text);
void set_field(std::vector<std::string>& field, const std::string& text);  // appends
void set_field(Seconds& field, const std::string& text);

void set_field(bool& field, const Json& json);
void set_field(int& field, const Json& json);
void set_field(std::int64_t& field, const Json& json);
void set_field(double& field, const Json& json);
void set_field(std::string& field, const Json& json);
void set_field(std::vector<std::string>& field, const Json& json);
void set_field(Seconds& field, const Json& json);

namespace detail {

inline Json field_to_json(Seconds seconds) { return to_string(seconds); }
template <class T>
Json field_to_json(const T& field) {
  return Json(field);
}

template <class T>
std::string_view value_name() {
  if constexpr (std::same_as<T, bool>) return "";
  if constexpr (std::integral<T>) return "N";
  if constexpr (std::same_as<T, double>) return "X";
  if constexpr (std::same_as<T, Seconds>) return "TIME";
  return "TEXT";
}

// The flag of the name and the default as text, without `set` and `value_name`.
Flag flag_of(std::string_view name, std::string_view help, const Json& fallback);
[[noreturn]] void refuse_key(std::string_view key);

}  // namespace detail

// The flags that set the fields of `options`.
template <class Options>
std::vector<Flag> flags(Options& options) {
  std::vector<Flag> result;
  Options::fields(options, [&]<class T>(std::string_view name, T& field, std::string_view help) {
    Flag flag = detail::flag_of(name, help, detail::field_to_json(field));
    flag.value_name = detail::value_name<T>();
    flag.repeated = std::same_as<T, std::vector<std::string>>;
    flag.set = [&field](const std::string& text) { set_field(field, text); };
    result.push_back(std::move(flag));
  });
  return result;
}

template <class Options>
Json to_json(const Options& options) {
  Json::Object object;
  Options::fields(options, [&](std::string_view name, const auto& field, std::string_view) {
    object.emplace_back(std::string(name), detail::field_to_json(field));
  });
  return object;
}

// Sets the fields that `json` holds. Throws kInvalidArgument for an unknown key.
template <class Options>
void from_json(Options& options, const Json& json) {
  for (const auto& [key, value] : json.object()) {
    bool known = false;
    Options::fields(options, [&](std::string_view name, auto& field, std::string_view) {
      if (name != key) return;
      set_field(field, value);
      known = true;
    });
    if (!known) detail::refuse_key(key);
  }
}

}  // namespace lamina
