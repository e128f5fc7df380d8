// Files: mapped for reading, written all or nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lamina {

// A file mapped into memory, copy-on-write: changes to the bytes never reach the file.
struct MappedFile {
  std::byte* data = nullptr;
  std::size_t bytes = 0;

  MappedFile() = default;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::string_view text() const { return {reinterpret_cast<const char*>(data), bytes}; }
};

// Throws kNotFound when there is no such file, kIo when it cannot be mapped.
std::shared_ptr<MappedFile> map_file(const std::string& path);
// Gives back the memory of the whole pages among these bytes of a mapped file. They can still be
// read: as they are in the file, changes are lost.
void release_pages(std::byte* data, std::size_t bytes);

// At most `max_bytes` bytes from the beginning of the file.
std::string read_file(const std::string& path, std::size_t max_bytes = SIZE_MAX);

// Makes the folder and those that it is in, where absent. Throws kIo.
void make_folder(const std::string& path);

// Receives the bytes of a file, piece by piece.
using FileSink = std::function<void(std::span<const std::byte>)>;

// Writes what `produce` sends to a temporary file in the folder of `path`, flushes it to the disk
// and renames it to `path`: readers see the old file or the whole new one. Throws kIo; the old
// file then stays as it was.
void write_file_atomically(const std::string& path,
                           const std::function<void(const FileSink&)>& produce);
void write_file_atomically(const std::string& path, std::string_view text);

}  // namespace lamina
