// A lock that one owner holds at a time, among processes and among threads.
#pragma once

#include <string>

namespace lamina {

// Waits until the file at `path`, made when absent, is nobody else's. Throws kIo.
class FileLock {
 public:
  explicit FileLock(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int file_;
};

}  // namespace lamina
