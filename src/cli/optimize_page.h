// The report of `lamina optimize` as one HTML page that needs nothing else.
#pragma once

#include <span>
#include <string>

#include "base/json.h"

namespace lamina::cli {

// SVG pictures of a model and of what it became.
struct ProgramPictures {
  std::string before;
  std::string after;
};

// `report` is what --json writes (docs/cli.md); `pictures` belong to its programs, in order;
// `folder` is named in the commands that reproduce the results.
std::string report_page(const Json& report, std::span<const ProgramPictures> pictures,
                        const std::string& folder);

}  // namespace lamina::cli
