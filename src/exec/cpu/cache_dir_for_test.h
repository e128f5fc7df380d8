// For tests: a folder for compiled kernels that goes when its owner does.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "base/check.h"

namespace lamina::test {

struct CacheDir {
  std::string path = (std::filesystem::temp_directory_path() / "lamina-test-XXXXXX").string();

  CacheDir() { check(mkdtemp(path.data()) != nullptr, "cannot make a folder {}", path); }
  ~CacheDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  CacheDir(const CacheDir&) = delete;
  CacheDir& operator=(const CacheDir&) = delete;
};

}  // namespace lamina::test
