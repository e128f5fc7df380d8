// The functions that are branches.
#include "verify/branches.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace lamina {
namespace {

bool is_branch(std::string_view function) {
  static const std::set<std::string_view> kBranches = {"max",   "less",  "equal", "select",
                                                       "floor", "round", "trunc", "sign"};
  return kBranches.contains(function) || function.starts_with("cast to ");
}

}  // namespace

std::int64_t count_branches(const std::map<std::string, std::size_t>& fresh) {
  std::int64_t branches = 0;
  for (const auto& [function, count] : fresh) {
    if (is_branch(function)) branches += static_cast<std::int64_t>(count);
  }
  return branches;
}

std::vector<int> gentle_points(std::int64_t branches) {
  constexpr int kNearZero = 3;
  constexpr std::int64_t kMany = 256;  // one point meets each outcome many times
  const std::int64_t points = std::clamp<std::int64_t>(40 / branches, branches > kMany ? 1 : 2, 40);
  return std::vector<int>(static_cast<std::size_t>(points), kNearZero);
}

}  // namespace lamina
