// A file is a line "lamina reference 1", a line with the hash of what follows, and the elements of
// the outputs, dense, one output after another.
#include "search/reference.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/check.h"
#include "base/files.h"
#include "base/hash.h"
#include "exec/binding.h"
#include "lamina/device.h"

namespace lamina::search {
namespace {

constexpr std::string_view kMagic = "lamina reference 1\n";
constexpr std::size_t kHashDigits = 32;

std::string hash_of(std::span<const std::byte> bytes) { return Hasher().add(bytes).hex(); }

// The executable that runs: after a build the reference may compute something else.
void add_executable(Hasher& hasher) {
  struct stat status {};
  if (stat("/proc/self/exe", &status) != 0) return;
  hasher.add(std::int64_t{status.st_size});
  hasher.add(std::int64_t{status.st_mtim.tv_sec}).add(std::int64_t{status.st_mtim.tv_nsec});
}

std::string path_of(const Graph& prepared, std::span<const Tensor> inputs,
                    const std::string& folder) {
  Hasher hasher;
  add_executable(hasher);
  hasher.add(content_hash(prepared));
  for (const Tensor& input : inputs) {
    const Tensor dense = input.dense();
    hasher.add(std::span<const std::byte>(dense.data(), dense.bytes()));
    for (const std::int64_t extent : dense.shape()) hasher.add(extent);
  }
  return folder + "/" + hasher.hex() + ".reference";
}

// The outputs without elements: what a file must hold.
std::vector<Tensor> empty_outputs(const Graph& prepared, std::span<const Tensor> inputs) {
  const Sizes sizes = bind_inputs(prepared, inputs);
  std::vector<Tensor> outputs;
  for (const Output& output : prepared.outputs) {
    const Type& type = prepared.type(output.value);
    outputs.emplace_back(type.dtype, evaluate(type.shape, sizes));
  }
  return outputs;
}

// Why the file is not what was written; fills the outputs when it is.
std::optional<std::string> read(const std::string& path, std::span<Tensor> outputs) {
  const auto file = map_file(path);
  const std::span<const std::byte> all(file->data, file->bytes);
  const std::size_t head = kMagic.size() + kHashDigits + 1;
  std::size_t wanted = head;
  for (const Tensor& output : outputs) wanted += output.bytes();
  if (all.size() != wanted) {
    return fmt::format("has {} bytes, expected {}", all.size(), wanted);
  }
  if (!file->text().starts_with(kMagic)) return "is of another version";
  if (file->text().substr(kMagic.size(), kHashDigits) != hash_of(all.subspan(head))) {
    return "was changed";
  }
  const std::byte* from = all.data() + head;
  for (Tensor& output : outputs) {
    std::memcpy(output.data(), from, output.bytes());
    from += output.bytes();
  }
  return std::nullopt;
}

void write(const std::string& path, std::span<const Tensor> outputs) {
  std::vector<std::byte> bytes;
  for (const Tensor& output : outputs) {
    bytes.insert(bytes.end(), output.data(), output.data() + output.bytes());
  }
  const std::string head = std::string(kMagic) + hash_of(bytes) + "\n";
  write_file_atomically(path, [&](const FileSink& sink) {
    sink(std::as_bytes(std::span(head)));
    sink(bytes);
  });
}

std::vector<Tensor> run_reference(const Graph& prepared, std::span<const Tensor> inputs) {
  std::vector<Tensor> outputs;
  for (const Tensor& output : compile(prepared, find_device("ref"))->run(inputs)) {
    outputs.push_back(output.dense());
  }
  return outputs;
}

}  // namespace

ReferenceOutputs reference_outputs(const Graph& prepared, std::span<const Tensor> inputs,
                                   const std::string& folder) {
  if (folder.empty()) return {run_reference(prepared, inputs), ""};
  const std::string path = path_of(prepared, inputs, folder);
  ReferenceOutputs result;
  if (std::filesystem::exists(path)) {
    result.outputs = empty_outputs(prepared, inputs);
    const auto fault = read(path, result.outputs);
    if (!fault) return result;
    result.warning = fmt::format("{} {}; the reference is computed again", path, *fault);
  }
  result.outputs = run_reference(prepared, inputs);
  try {
    make_folder(folder);
    write(path, result.outputs);
  } catch (const Error& error) {
    // A full disk must not end a search: the file only saves time.
    result.warning = error.what();
  }
  return result;
}

}  // namespace lamina::search
