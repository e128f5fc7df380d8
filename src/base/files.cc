// Files by POSIX calls, so that every failure has its reason.
#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/check.h"

namespace lamina {
namespace {

struct Descriptor {
  int fd = -1;

  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

[[noreturn]] void fail_io(std::string_view what, const std::string& path) {
  const int reason = errno;
  fail(reason == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, "cannot {} '{}': {}", what, path,
       std::strerror(reason));
}

std::size_t file_bytes(const Descriptor& file, const std::string& path) {
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail_io("examine", path);
  if (!S_ISREG(status.st_mode)) fail(ErrorCode::kIo, "'{}' is not a regular file", path);
  return static_cast<std::size_t>(status.st_size);
}

// Removes the temporary file unless it has been renamed.
struct Temporary {
  std::string path;
  bool renamed = false;

  ~Temporary() {
    if (!renamed) ::unlink(path.c_str());
  }
};

void write_all(const Descriptor& file, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(ErrorCode::kIo, "cannot write '{}': {}", path, std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

// The temporary file that mkstemp makes is private; a new file gets the usual permissions.
mode_t permissions(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status.st_mode & 0777;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

}  // namespace

MappedFile::~MappedFile() {
  if (bytes > 0) ::munmap(data, bytes);
}

std::shared_ptr<MappedFile> map_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0) fail_io("open", path);
  auto mapped = std::make_shared<MappedFile>();
  const std::size_t bytes = file_bytes(file, path);
  if (bytes == 0) return mapped;
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) fail_io("map", path);
  mapped->data = static_cast<std::byte*>(data);
  mapped->bytes = bytes;
  return mapped;
}

void release_pages(std::byte* data, std::size_t bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
  if (begin >= end) return;
  // A hint: nothing is lost but memory when the system refuses.
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::string read_file(const std::string& path, std::size_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0) fail_io("open", path);
  std::string text(std::min(file_bytes(file, path), max_bytes), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::read(file.fd, text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_io("read", path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

void write_file_atomically(const std::string& path,
                           const std::function<void(const FileSink&)>& produce) {
  Temporary temporary{path + ".XXXXXX"};
  const Descriptor file(::mkostemp(temporary.path.data(), O_CLOEXEC));
  if (file.fd < 0) {
    temporary.renamed = true;  // There is nothing to remove.
    fail(ErrorCode::kIo, "cannot write '{}': {}", path, std::strerror(errno));
  }
  produce([&](std::span<const std::byte> bytes) { write_all(file, bytes, path); });
  if (::fchmod(file.fd, permissions(path)) != 0 || ::fsync(file.fd) != 0 ||
      ::rename(temporary.path.c_str(), path.c_str()) != 0) {
    fail(ErrorCode::kIo, "cannot write '{}': {}", path, std::strerror(errno));
  }
  temporary.renamed = true;
}

void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, [&](const FileSink& sink) {
    sink(std::as_bytes(std::span<const char>(text.data(), text.size())));
  });
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail(ErrorCode::kIo, "cannot make the folder '{}': {}", path, error.message());
}

}  // namespace lamina
