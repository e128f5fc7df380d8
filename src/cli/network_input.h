// Networks by name, for commands whose input is a name or something else.
#pragma once

#include <optional>
#include <string>

#include "lamina/nn.h"

namespace lamina::cli {

// "mmt, dlrm, ...", for help texts.
std::string network_list();

// nullopt: `input` is no network's name. Throws what network() throws, and kInvalidArgument for
// shapes of something that is none; --frozen is for all that is trained.
std::optional<train::Network> named_network(const std::string& input,
                                            const NetworkOptions& options);

}  // namespace lamina::cli
