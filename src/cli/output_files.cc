// What can be known about a file before it is written.
#include "cli/output_files.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/check.h"

namespace lamina::cli {
namespace {

// An error number, or 0.
int obstacle(const std::filesystem::path& path) {
  std::error_code ignored;  // what cannot be looked at is said by access()
  if (std::filesystem::is_directory(path, ignored)) return EISDIR;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  return ::access(folder.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
}

}  // namespace

void check_writable(std::initializer_list<std::string> paths) {
  for (const std::string& path : paths) {
    const int reason = path.empty() ? 0 : obstacle(path);
    if (reason != 0) {
      fail(ErrorCode::kIo, "cannot write '{}': {}", path, std::strerror(reason));
    }
  }
}

}  // namespace lamina::cli
