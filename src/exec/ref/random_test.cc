// The random operators: known answers, and the moments of their distributions.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "exec/ref/ref_device.h"

using namespace lamina;

namespace {

constexpr std::int64_t kCount = 20000;

// The values of `op` for the counters 0, 1, ... under a seed.
Tensor draw(std::string_view op, std::int64_t seed, std::int64_t count) {
  Graph graph;
  const Value counter = graph.add_input("counter", {DType::kI64, {count}, {}});
  graph.add_output("y", graph.add(op, {counter}, {{"seed", seed}}));
  std::vector<std::int64_t> counters(static_cast<std::size_t>(count));
  std::iota(counters.begin(), counters.end(), 0);
  const std::vector<Tensor> inputs = {Tensor::from_integers(DType::kI64, {count}, counters)};
  return compile(graph, ref_device())->run(inputs)[0];
}

double mean_of_powers(const std::vector<double>& values, int power) {
  double sum = 0.0;
  for (const double value : values) sum += std::pow(value, power);
  return sum / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("random bits are the first words of Philox") {
  // Counter 0 and key 0 of the Random123 test vectors: 6627e8d5 e169c58d ...
  const std::int64_t first = draw("random_bits", 0, 1).to_integers()[0];
  CHECK(static_cast<std::uint64_t>(first) == 0xe169c58d6627e8d5u);
}

TEST_CASE("seeds give different numbers") {
  CHECK(draw("random_bits", 1, 8).to_integers() != draw("random_bits", 2, 8).to_integers());
  CHECK(draw("random_bits", 1, 8).to_integers() !=
        draw("random_bits", 1 + (std::int64_t{1} << 32), 8).to_integers());
}

// Bounds of five standard deviations of the mean of kCount values.
TEST_CASE("random_uniform is uniform in [0, 1)") {
  const std::vector<double> u = draw("random_uniform", 3, kCount).to_doubles();
  CHECK(*std::min_element(u.begin(), u.end()) >= 0.0);
  CHECK(*std::max_element(u.begin(), u.end()) < 1.0);
  const double unit = 5.0 / std::sqrt(static_cast<double>(kCount));
  CHECK(std::fabs(mean_of_powers(u, 1) - 1.0 / 2) < unit * std::sqrt(1.0 / 12));
  CHECK(std::fabs(mean_of_powers(u, 2) - 1.0 / 3) < unit * std::sqrt(4.0 / 45));
}

TEST_CASE("random_normal has the moments of the normal distribution") {
  const std::vector<double> z = draw("random_normal", 3, kCount).to_doubles();
  const double unit = 5.0 / std::sqrt(static_cast<double>(kCount));
  CHECK(std::fabs(mean_of_powers(z, 1)) < unit);
  CHECK(std::fabs(mean_of_powers(z, 2) - 1.0) < unit * std::sqrt(2.0));
  CHECK(std::fabs(mean_of_powers(z, 3)) < unit * std::sqrt(15.0));
  CHECK(std::fabs(mean_of_powers(z, 4) - 3.0) < unit * std::sqrt(96.0));
}
