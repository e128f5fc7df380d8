// Locks by flock, which the system lifts when their owner ends.
#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace lamina {

FileLock::FileLock(const std::string& path)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (file_ >= 0 && flock(file_, LOCK_EX) == 0) return;
  const int reason = errno;
  if (file_ >= 0) ::close(file_);
  fail(ErrorCode::kIo, "cannot lock {}: {}", path, std::strerror(reason));
}

FileLock::~FileLock() { ::close(file_); }

}  // namespace lamina
