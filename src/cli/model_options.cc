// Loads the model that the arguments name.
#include "cli/model_options.h"

#include "base/check.h"
#include "base/options.h"
#include "lamina/io.h"
#include "lamina/nn.h"

namespace lamina::cli {

std::pair<std::string, std::string> split_assignment(const std::string& text, const char* flag) {
  const std::size_t at = text.find('=');
  require(at != std::string::npos && at > 0, "--{}: expected NAME=VALUE, got '{}'", flag, text);
  return {text.substr(0, at), text.substr(at + 1)};
}

Graph load_model(const ModelOptions& options) {
  LoadOptions load;
  for (const std::string& text : options.fix) {
    const auto [name, file] = split_assignment(text, "fix");
    require(load.fixed_inputs.emplace(name, load_npy(file)).second, "--fix: '{}' is given twice",
            name);
  }
  load.sizes = parse_sizes(options.size);
  return load_network(options.model, load);
}

Graph program_for(const ModelOptions& options, Graph loaded, const Sizes& sizes) {
  // With --size it is of the class already.
  if (!options.size.empty() || !is_program_folder(options.model)) return loaded;
  return ProgramFolder(options.model).program_for(sizes);
}

Sizes parse_sizes(const std::vector<std::string>& texts) {
  Sizes sizes;
  for (const std::string& text : texts) {
    const auto [name, value] = split_assignment(text, "size");
    std::int64_t number = 0;
    set_field(number, value);
    require(sizes.emplace(name, number).second, "--size: '{}' is given twice", name);
  }
  return sizes;
}

std::string file_name(const std::string& name) {
  std::string result = name;
  for (char& c : result) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.';
    if (!plain) c = '_';
  }
  if (result.empty() || result[0] == '.') result.insert(result.begin(), '_');
  return result;
}

void describe(const ProgramStats& stats, Json& report) {
  report["kernels"] = stats.kernels;
  report["compiles"] = stats.compiles;
  report["fallbacks"] = stats.fallbacks;
  report["fallback_ops"] = stats.fallback_ops;
  report["packed_weight_bytes"] = stats.packed_weight_bytes;
  report["plain_weight_bytes"] = stats.plain_weight_bytes;
  report["arena_bytes"] = stats.arena_bytes;
}

Json describe(const std::string& name, const Type& type) {
  Json row;
  row["name"] = name;
  row["dtype"] = traits(type.dtype).name;
  row["shape"] = Json::Array{};
  for (const Dim& dim : type.shape) {
    const auto size = dim.constant();
    row["shape"].push_back(size ? Json(*size) : Json(dim.to_string()));
  }
  return row;
}

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kInput:
      return "input";
    case Role::kDonated:
      return "donated";
    case Role::kWeight:
      return "weight";
    case Role::kState:
      return "state";
  }
  return "";
}

}  // namespace lamina::cli
