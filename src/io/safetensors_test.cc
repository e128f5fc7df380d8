// What the safetensors reader takes and refuses.
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/files.h"
#include "lamina/error.h"
#include "lamina/io.h"

namespace lamina {
namespace {

struct TemporaryFile {
  std::string path =
      (std::filesystem::temp_directory_path() / ("st" + std::to_string(::getpid()))).string();
  ~TemporaryFile() { std::remove(path.c_str()); }
};

std::string file_bytes(const std::string& header, const std::string& elements,
                       std::uint64_t length = 0) {
  std::string text;
  if (length == 0) length = header.size();
  for (unsigned i = 0; i < 8; ++i) text += static_cast<char>(length >> (8 * i) & 255U);
  return text + header + elements;
}

NamedTensors read_bytes(const std::string& bytes) {
  const TemporaryFile file;
  write_file_atomically(file.path, bytes);
  return load_safetensors(file.path);
}

}  // namespace

TEST_CASE("safetensors: tensors and metadata survive writing and reading") {
  const TemporaryFile file;
  NamedTensors tensors;
  for (const DTypeTraits& t : all_dtypes()) {
    if (is_packed(t.dtype)) continue;
    tensors[std::string(t.name)] =
        Tensor::from_doubles(t.dtype, {3, 1}, std::vector<double>{0, 1, 1});
  }
  tensors["none"] = Tensor(DType::kF32, {0, 4});
  tensors["scalar"] = Tensor::from_doubles(DType::kF64, {}, std::vector<double>{-2.5});
  save_safetensors(file.path, tensors, {{"format", "pt"}});
  const NamedTensors read = load_safetensors(file.path);
  REQUIRE(read.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    CAPTURE(name);
    CHECK(read.at(name).dtype() == tensor.dtype());
    CHECK(read.at(name).shape() == tensor.shape());
    CHECK(read.at(name).to_doubles() == tensor.to_doubles());
  }
  CHECK(load_safetensors_metadata(file.path) == Metadata{{"format", "pt"}});
}

TEST_CASE("safetensors: changing a read tensor leaves the file alone") {
  const TemporaryFile file;
  save_safetensors(file.path,
                   {{"x", Tensor::from_doubles(DType::kF32, {1}, std::vector<double>{1})}});
  load_safetensors(file.path).at("x").span<float>()[0] = 5;
  CHECK(load_safetensors(file.path).at("x").to_doubles() == std::vector<double>{1});
}

TEST_CASE("safetensors: malformed files are refused by what is wrong") {
  const auto entry = [](int begin, int end) {
    return fmt::format(R"({{"dtype":"U8","shape":[2],"data_offsets":[{},{}]}})", begin, end);
  };
  const auto refuses = [](const std::string& bytes, const char* why) {
    CAPTURE(why);
    CHECK_THROWS_WITH_AS(read_bytes(bytes), doctest::Contains(why), Error);
  };
  refuses(file_bytes("{}", "", 4'000'000'000), "at most 100000000");
  refuses(file_bytes("{}", "", 4000), "in a file of");
  refuses(file_bytes("{\"a\":" + entry(0, 2) + ",\"a\":" + entry(2, 4) + "}", "1234"), "twice");
  refuses(file_bytes("{\"a\":" + entry(0, 2) + ",\"b\":" + entry(1, 3) + "}", "123"), "overlap");
  refuses(file_bytes("{\"a\":" + entry(0, 2) + ",\"b\":" + entry(3, 5) + "}", "12345"), "gap");
  refuses(file_bytes("{\"a\":" + entry(0, 2) + "}", "123"), "follow the last");
  refuses(file_bytes("{\"a\":" + entry(0, 2) + "}", "1"), "in 1 bytes");
  refuses(file_bytes("{\"a\":" + entry(0, 1) + "}", "1"), "for a shape of 2");
  refuses(file_bytes("{\"a\":", ""), "malformed");
  refuses(file_bytes(R"({"a":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[0,0]}})", ""),
          "F8_E4M3");
  refuses("1234567", "too short");
}

}  // namespace lamina
