// Runs nvcc and keeps what it makes.
#include "exec/cuda/toolkit.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "base/check.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/process.h"
#include "base/temporary_folder.h"

namespace lamina::cuda {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsualPlace = "/usr/local/cuda/bin/nvcc";
constexpr std::string_view kFormat = "lamina cubins 1";

// The line that says what is wrong.
std::string first_error(const std::string& log) {
  const std::size_t at = log.find("error");
  const std::size_t begin = at == std::string::npos ? 0 : log.rfind('\n', at) + 1;
  return log.substr(begin, log.find('\n', begin) - begin);
}

}  // namespace

std::optional<Nvcc> find_nvcc() {
  std::optional<std::string> path = find_in_path("nvcc");
  if (!path && access(kUsualPlace, X_OK) == 0) path = kUsualPlace;
  if (!path) return std::nullopt;
  std::error_code error;
  const auto time = fs::last_write_time(*path, error).time_since_epoch().count();
  return Nvcc{*path, fmt::format("{} {} {}", *path, fs::file_size(*path, error), time)};
}

std::string compile_cubin(const Nvcc& nvcc, const std::string& text, int sm,
                          const std::string& folder) {
  const std::string target = fmt::format("sm_{}", sm);
  const std::string key = Hasher().add(kFormat).add(nvcc.identity).add(target).add(text).hex();
  const std::string kept = fmt::format("{}/{}.cubin", folder, key);
  std::error_code error;
  if (fs::exists(kept, error)) return read_file(kept);
  make_folder(folder);
  const TemporaryFolder work(folder);
  const std::string source = work.path() + "/kernels.cu", cubin = work.path() + "/kernels.cubin";
  write_file_atomically(source, text);
  const ProcessResult result = run_process(
      {nvcc.path, "-std=c++17", "-O3", "-cubin", "-arch=" + target, "-w", "-o", cubin, source});
  check(result.status == 0, "{} failed for {}: {}", nvcc.path, target, first_error(result.output));
  const std::string bytes = read_file(cubin);
  fs::rename(cubin, kept, error);
  if (error) fail(ErrorCode::kIo, "cannot write to the folder {}: {}", folder, error.message());
  return bytes;
}

}  // namespace lamina::cuda
