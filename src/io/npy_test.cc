// What the npy reader takes and refuses.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/files.h"
#include "lamina/error.h"
#include "lamina/io.h"

namespace lamina {
namespace {

struct TemporaryFile {
  std::string path;

  explicit TemporaryFile(const std::string& name)
      : path((std::filesystem::temp_directory_path() / (name + std::to_string(::getpid()) + ".npy"))
                 .string()) {}
  ~TemporaryFile() { std::remove(path.c_str()); }
};

std::string npy_bytes(const std::string& dict, const std::string& elements) {
  std::string text = "\x93NUMPY";
  text += {1, 0, static_cast<char>(dict.size()), 0};
  return text + dict + elements;
}

Tensor read_bytes(const std::string& bytes, bool u2_is_bf16 = false) {
  const TemporaryFile file("npy_read");
  write_file_atomically(file.path, bytes);
  return load_npy(file.path, u2_is_bf16);
}

}  // namespace

TEST_CASE("npy: every plain dtype survives writing and reading") {
  const TemporaryFile file("npy_round");
  for (const DTypeTraits& t : all_dtypes()) {
    if (is_packed(t.dtype)) continue;
    CAPTURE(t.name);
    for (const Shape& shape : {Shape{2, 3}, Shape{6}, Shape{3, 1, 2}}) {
      const Tensor written =
          Tensor::from_doubles(t.dtype, shape, std::vector<double>{0, 1, 2, 3, 4, 5});
      save_npy(file.path, written);
      const Tensor read = load_npy(file.path);
      CHECK(read.dtype() == t.dtype);
      CHECK(read.shape() == shape);
      CHECK(read.to_doubles() == written.to_doubles());
    }
  }
  save_npy(file.path, Tensor::from_doubles(DType::kF32, {}, std::vector<double>{2.5}));
  CHECK(load_npy(file.path).to_doubles() == std::vector<double>{2.5});
  save_npy(file.path, Tensor(DType::kI64, {0, 3}));
  CHECK(load_npy(file.path).shape() == Shape{0, 3});
}

// Written by hand after the format description of NumPy (numpy.lib.format).
TEST_CASE("npy: byte order, Fortran order and versions") {
  const std::string big("\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6", 24);
  const Tensor t =
      read_bytes(npy_bytes("{'descr': '>i4', 'fortran_order': True, 'shape': (2, 3), }\n", big));
  CHECK(t.shape() == Shape{2, 3});
  CHECK(t.to_integers() == std::vector<std::int64_t>{1, 3, 5, 2, 4, 6});
  std::string second = "\x93NUMPY";
  const std::string dict = "{\"shape\": (2,), \"fortran_order\": False, \"descr\": \"|u1\"}";
  second += {2, 0, static_cast<char>(dict.size()), 0, 0, 0};
  CHECK(read_bytes(second + dict + "\7\x08").to_integers() == std::vector<std::int64_t>{7, 8});
}

TEST_CASE("npy: uint16 is bf16 only when the caller says so") {
  const std::string bytes = npy_bytes("{'descr': '<u2', 'fortran_order': False, 'shape': (1,)}",
                                      std::string("\x80\x3f", 2));
  CHECK_THROWS_WITH_AS(read_bytes(bytes), doctest::Contains("u2 may hold bf16"), Error);
  CHECK(read_bytes(bytes, true).to_doubles() == std::vector<double>{1.0});
}

TEST_CASE("npy: malformed files are refused by what is wrong") {
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}";
  CHECK_THROWS_WITH_AS(read_bytes(npy_bytes(dict, "1234567")), doctest::Contains("2 elements"),
                       Error);
  CHECK_THROWS_WITH_AS(read_bytes("\x93NUMPY"), doctest::Contains("not an npy file"), Error);
  CHECK_THROWS_WITH_AS(read_bytes(npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': "
                                            "(4294967296, 4294967296)}",
                                            "")),
                       doctest::Contains("too large"), Error);
  CHECK_THROWS_WITH_AS(
      read_bytes(npy_bytes("{'descr': '<c8', 'fortran_order': False, 'shape': (0,)}", "")),
      doctest::Contains("'<c8'"), Error);
  CHECK_THROWS_WITH_AS(load_npy("/nonexistent/x.npy"), doctest::Contains("cannot open"), Error);
}

}  // namespace lamina
