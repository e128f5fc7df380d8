// Every device against the reference device, on every operator.
#include "lamina/device.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iostream>

#include "cases.h"
#include "graph/tolerance.h"

using namespace lamina;
using namespace lamina::conformance;

namespace {

// Cases of one program: fewer compiler runs than one program each.
constexpr std::size_t kTogether = 32;

void check_together(const Device& device, std::span<const Case> cases, std::mt19937_64& random) {
  Graph graph;
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    add_case(graph, cases[i], "x" + std::to_string(i) + "_");
    const std::vector<Tensor> drawn = random_inputs(cases[i], random);
    inputs.insert(inputs.end(), drawn.begin(), drawn.end());
  }
  const std::vector<Tensor> want = run_reference(graph, inputs);
  const std::unique_ptr<Program> program = compile(graph, device, {.threads = 2});
  const std::vector<Tensor> got = program->run(inputs);
  // What falls back runs in the reference interpreter, which would be compared with itself.
  CHECK(program->stats().fallbacks == 0);
  REQUIRE(got.size() == want.size());
  std::size_t k = 0;
  for (const Case& each : cases) {
    const Graph alone = graph_of(each);
    for (std::size_t i = 0; i < alone.outputs.size(); ++i, ++k) {
      const auto wrong = difference(got[k], want[k], tolerance(alone));
      CHECK_MESSAGE(!wrong, each.name, " on ", device.name(), ": ", wrong.value_or(""));
    }
  }
}

// The cases with floats in `dtype` instead of f32.
std::vector<Case> cases_in(DType dtype) {
  std::vector<Case> cases;
  for (const Case& each : all_cases()) {
    if (has_float(each.sample.inputs)) cases.push_back(with_floats(each, dtype));
  }
  return cases;
}

void check_devices(const std::vector<Case>& cases) {
  for (const Device* device : devices()) {
    if (device->name() == "ref") continue;
    std::mt19937_64 random(5);
    for (std::size_t start = 0; start < cases.size(); start += kTogether) {
      const std::size_t count = std::min(kTogether, cases.size() - start);
      check_together(*device, std::span(cases).subspan(start, count), random);
    }
    std::cout << device->name() << ": " << cases.size() << " cases\n";
  }
}

}  // namespace

TEST_CASE("every device agrees with the reference device") {
  check_devices(all_cases());
  check_devices(cases_in(DType::kBF16));
}

TEST_CASE("every device agrees with the reference device in f16 and f64" *
          doctest::test_suite("slow")) {
  check_devices(cases_in(DType::kF16));
  check_devices(cases_in(DType::kF64));
}
