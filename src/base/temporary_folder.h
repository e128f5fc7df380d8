// A folder of its own for one user, which goes when its owner does.
#pragma once

#include <string>

namespace lamina {

class TemporaryFolder {
 public:
  // In `parent`, or where the system keeps temporary files. Throws kIo.
  explicit TemporaryFolder(std::string parent = "");
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  // The path of a file in the folder.
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace lamina
