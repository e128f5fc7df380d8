// Temporary folders by mkdtemp.
#include "base/temporary_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/check.h"

namespace lamina {

TemporaryFolder::TemporaryFolder(std::string parent) {
  if (parent.empty()) parent = std::filesystem::temp_directory_path().string();
  path_ = parent + "/lamina-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) {
    fail(ErrorCode::kIo, "cannot make a folder in {}: {}", parent, std::strerror(errno));
  }
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace lamina
