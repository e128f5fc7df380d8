// Packed element types: what encoding may lose.
#include "tensor/packed.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "lamina/error.h"

using namespace lamina;

namespace {

std::vector<double> normal_values(std::size_t count) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

// The largest error over the largest magnitude.
double relative_error(DType dtype, const std::vector<double>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  const std::vector<double> back = Tensor::from_doubles(dtype, {count}, values).to_doubles();
  double error = 0.0;
  double largest = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error = std::max(error, std::fabs(back[i] - values[i]));
    largest = std::max(largest, std::fabs(values[i]));
  }
  return error / largest;
}

}  // namespace

TEST_CASE("packed types keep values within half a step of their grid") {
  const std::vector<double> values = normal_values(1024);
  // One block's grid has 255, 15 and 15 steps over at most twice its largest magnitude; the f16
  // scale adds its own rounding.
  CHECK(relative_error(DType::kQ8_0, values) < 0.5 / 127 + 0x1p-10);
  CHECK(relative_error(DType::kQ4_0, values) < 1.0 / 8 + 0x1p-10);
  CHECK(relative_error(DType::kQ4_1, values) < 1.0 / 15 + 0x1p-9);
  CHECK(relative_error(DType::kCB4, values) < 0.25);
}

TEST_CASE("a codebook holds sixteen distinct values exactly") {
  std::vector<double> values(256);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 16) - 3.5;
  CHECK(Tensor::from_doubles(DType::kCB4, {256}, values).to_doubles() == values);
}

TEST_CASE("a row of packed elements has whole blocks") {
  CHECK_THROWS_AS(Tensor(DType::kQ8_0, {4, 33}), Error);
  CHECK(Tensor(DType::kQ8_0, {4, 64}).bytes() == 4 * 2 * 34);
}
