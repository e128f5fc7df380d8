// The promotion table of docs/numerics.md.
#include <doctest/doctest.h>

#include "lamina/error.h"
#include "lamina/tensor.h"

using namespace lamina;

TEST_CASE("promotion is commutative and keeps equal types") {
  for (const DTypeTraits& a : all_dtypes()) {
    for (const DTypeTraits& b : all_dtypes()) {
      CHECK(promote(a.dtype, b.dtype) == promote(b.dtype, a.dtype));
    }
    CHECK(promote(a.dtype, a.dtype) == (is_packed(a.dtype) ? DType::kF32 : a.dtype));
  }
}

TEST_CASE("promotion: known cases") {
  CHECK(promote(DType::kBF16, DType::kF16) == DType::kF32);
  CHECK(promote(DType::kBF16, DType::kF32) == DType::kF32);
  CHECK(promote(DType::kF64, DType::kBF16) == DType::kF64);
  CHECK(promote(DType::kBF16, DType::kI64) == DType::kBF16);
  CHECK(promote(DType::kU8, DType::kI8) == DType::kI32);
  CHECK(promote(DType::kI8, DType::kI64) == DType::kI64);
  CHECK(promote(DType::kBool, DType::kU8) == DType::kU8);
  CHECK(promote(DType::kQ4_0, DType::kF32) == DType::kF32);
}

TEST_CASE("names of dtypes read back") {
  for (const DTypeTraits& row : all_dtypes()) CHECK(parse_dtype(row.name) == row.dtype);
  CHECK_THROWS_AS(parse_dtype("f8"), Error);
}
