// Networks by name.
#include "cli/network_input.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"
#include "base/json.h"
#include "base/options.h"

namespace lamina::cli {

std::string network_list() { return fmt::format("{}", fmt::join(network_names(), ", ")); }

std::optional<train::Network> named_network(const std::string& input,
                                            const NetworkOptions& options) {
  const auto names = network_names();
  if (std::count(names.begin(), names.end(), input) > 0) return network(input, options);
  NetworkOptions only_frozen;
  only_frozen.frozen = options.frozen;
  require(to_json(options) == to_json(only_frozen),
          "shapes such as --branches belong to named networks, and '{}' is none", input);
  return std::nullopt;
}

}  // namespace lamina::cli
