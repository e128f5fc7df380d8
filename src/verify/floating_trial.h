// Two graphs run by the reference device at random points: what speaks against their equality,
// without any of the identity tester's arithmetic.
#pragma once

#include <cmath>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "lamina/device.h"

namespace lamina::verify_test {

// Whether an output element differs by more than rounding explains at one of the points, whose
// elements are uniform in the ranges. All inputs are real.
inline bool seem_different(const Graph& a, const Graph& b,
                           std::span<const std::pair<double, double>> ranges,
                           std::mt19937& random) {
  const Device& device = find_device("ref");
  const auto first = compile(a, device);
  const auto second = compile(b, device);
  for (const auto& [low, high] : ranges) {
    std::uniform_real_distribution<double> uniform(low, high);
    std::vector<Tensor> inputs;
    for (const Input& input : a.inputs) {
      const Type& type = a.nodes[static_cast<std::size_t>(input.node)].types[0];
      const Shape shape = evaluate(type.shape, {});
      std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
      for (double& v : values) v = uniform(random);
      inputs.push_back(Tensor::from_doubles(DType::kF32, shape, values));
    }
    const std::vector<Tensor> x = first->run(inputs);
    const std::vector<Tensor> y = second->run(inputs);
    for (std::size_t k = 0; k < x.size(); ++k) {
      const std::vector<double> u = x[k].to_doubles();
      const std::vector<double> v = y[k].to_doubles();
      for (std::size_t i = 0; i < u.size(); ++i) {
        if (!std::isfinite(u[i]) || !std::isfinite(v[i])) continue;
        const double rounding = 1e-3 * (std::fabs(u[i]) + std::fabs(v[i])) + 1e-6;
        if (std::fabs(u[i] - v[i]) > rounding) return true;
      }
    }
  }
  return false;
}

}  // namespace lamina::verify_test
