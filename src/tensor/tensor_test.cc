// Tensors: conversions, views, bounds.
#include "lamina/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "lamina/error.h"

using namespace lamina;

TEST_CASE("doubles round to the element type and integers wrap") {
  const std::vector<double> values = {1.0, -2.75, 300.0};
  CHECK(Tensor::from_doubles(DType::kF32, {3}, values).to_doubles() == values);
  CHECK(Tensor::from_doubles(DType::kI8, {3}, values).to_integers() ==
        std::vector<std::int64_t>{1, -2, 44});
  CHECK(Tensor::from_doubles(DType::kBool, {3}, values).to_integers() ==
        std::vector<std::int64_t>{1, 1, 1});
  const std::vector<std::int64_t> wide = {-1, 256, 257};
  CHECK(Tensor::from_integers(DType::kU8, {3}, wide).to_integers() ==
        std::vector<std::int64_t>{255, 0, 1});
}

TEST_CASE("64-bit integers are exact") {
  const std::vector<std::int64_t> large = {(std::int64_t{1} << 53) + 1, INT64_MIN};
  CHECK(Tensor::from_integers(DType::kI64, {2}, large).to_integers() == large);
}

TEST_CASE("floats to integers: toward zero, saturating at 64 bits, NaN is zero") {
  const std::vector<double> values = {2.9, -2.9, 1e300, std::nan("")};
  CHECK(Tensor::from_doubles(DType::kF64, {4}, values).to_integers() ==
        std::vector<std::int64_t>{2, -2, INT64_MAX, 0});
}

TEST_CASE("a strided view reads and copies row-major") {
  const std::vector<double> values = {0, 1, 2, 3, 4, 5};
  const Tensor dense = Tensor::from_doubles(DType::kF32, {2, 3}, values);
  const Tensor turned(DType::kF32, {{3, 2}, {1, 3}}, dense.buffer());
  const std::vector<double> expected = {0, 3, 1, 4, 2, 5};
  CHECK(turned.to_doubles() == expected);
  CHECK(!turned.layout().is_dense());
  CHECK(turned.dense().layout().is_dense());
  CHECK(turned.dense().to_doubles() == expected);
}

TEST_CASE("copies share elements, clones do not") {
  Tensor a(DType::kF32, {2});
  Tensor shared = a;
  const Tensor apart = a.clone();
  shared.span<float>()[0] = 5.0f;
  CHECK(a.to_doubles()[0] == 5.0);
  CHECK(apart.to_doubles()[0] == 0.0);
}

TEST_CASE("a view must lie within its buffer") {
  const auto buffer = Buffer::allocate(16);
  CHECK_NOTHROW(Tensor(DType::kF32, Layout::dense({4}), buffer));
  CHECK_THROWS_AS(Tensor(DType::kF32, Layout::dense({5}), buffer), Error);
  CHECK_THROWS_AS(Tensor(DType::kF32, Layout::dense({4}), buffer, 4), Error);
  CHECK_THROWS_AS(Tensor(DType::kF32, {{2}, {-1}}, buffer), Error);
}

TEST_CASE("shapes that overflow or are negative are refused") {
  CHECK_THROWS_AS(Tensor(DType::kF32, {-1}), Error);
  CHECK_THROWS_AS(Tensor(DType::kF32, {std::int64_t{1} << 40, std::int64_t{1} << 40}), Error);
  CHECK(Tensor(DType::kF32, {0, 5}).size() == 0);
}
