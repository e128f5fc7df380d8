// Programs of the CPU device against the reference, and what the device promises about threads,
// memory, compilation and state.
#include "exec/cpu/cpu_device.h"

#include <doctest/doctest.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/thread_pool.h"
#include "exec/ref/ref_device.h"
#include "graph/op_def.h"

using namespace lamina;

namespace {

// A folder for compiled kernels that goes when the test ends.
struct CacheDir {
  std::string path;
  CacheDir() : path((std::filesystem::temp_directory_path() / "lamina-test-XXXXXX").string()) {
    REQUIRE(mkdtemp(path.data()) != nullptr);
  }
  ~CacheDir() { std::filesystem::remove_all(path); }
};

// One cache for the cases that do not count compiler runs.
RunOptions options(int threads = 2) {
  RunOptions options;
  options.threads = threads;
  options.cache_dir =
      (std::filesystem::temp_directory_path() / fmt::format("lamina-test-{}", geteuid())).string();
  return options;
}

Tensor filled(DType dtype, Shape shape, std::uint64_t seed) {
  std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
  for (double& value : values) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<double>(seed >> 40) / static_cast<double>(1 << 22) - 2.0;
    if (!traits(dtype).is_float) value = std::floor(value * 4);
  }
  return Tensor::from_doubles(dtype, std::move(shape), values);
}

void check_close(const Tensor& got, const Tensor& want, double tolerance) {
  REQUIRE(got.shape() == want.shape());
  REQUIRE(got.dtype() == want.dtype());
  const std::vector<double> a = got.to_doubles();
  const std::vector<double> b = want.to_doubles();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(b[i]) || std::isinf(b[i])) {
      CHECK((a[i] == b[i] || std::isnan(a[i]) == std::isnan(b[i])));
    } else {
      REQUIRE(std::fabs(a[i] - b[i]) <= tolerance * (1 + std::fabs(b[i])));
    }
  }
}

void check_same(const Tensor& a, const Tensor& b) {
  REQUIRE(a.bytes() == b.bytes());
  CHECK(std::equal(a.data(), a.data() + a.bytes(), b.data()));
}

// Runs on both devices; nothing may be left to the interpreter.
void check_against_reference(const Graph& graph, const std::vector<Tensor>& inputs,
                             double tolerance = 1e-5) {
  const auto program = compile(graph, cpu_device(), options());
  CHECK(program->stats().fallback_ops == std::vector<std::string>{});
  const auto got = program->run(inputs);
  const auto want = compile(graph, ref_device())->run(inputs);
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) check_close(got[i], want[i], tolerance);
}

double tolerance_of(const std::vector<Type>& types) {
  double tolerance = 1e-5;
  for (const Type& type : types) {
    if (type.dtype == DType::kBF16) tolerance = 2e-2;
    if (type.dtype == DType::kF16 && tolerance < 1e-2) tolerance = 2e-3;
  }
  return tolerance;
}

// One node over inputs of these types.
void check_op(std::string_view op, const std::vector<Type>& types, const Attrs& attrs = {}) {
  CAPTURE(op);
  Graph graph;
  std::vector<Value> values;
  std::vector<Tensor> inputs;
  for (const Type& type : types) {
    values.push_back(graph.add_input("x", type));
    inputs.push_back(filled(type.dtype, *constant_shape(type.shape), inputs.size() + 1));
  }
  const Value value = graph.add(op, values, attrs);
  const std::size_t outputs = graph.node(value).types.size();
  for (std::size_t i = 0; i < outputs; ++i) {
    graph.add_output("y" + std::to_string(i), {value.node, static_cast<std::int32_t>(i)});
  }
  check_against_reference(graph, inputs, tolerance_of(graph.node(value).types));
}

}  // namespace

TEST_CASE("element-wise operators over every dtype, shape of broadcast and tail") {
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16, DType::kF16, DType::kI64,
                            DType::kI32, DType::kI8, DType::kU8}) {
    CAPTURE(traits(dtype).name);
    check_op("mul", {{dtype, {3, 7}, {}}, {dtype, {3, 7}, {}}});
    check_op("add", {{dtype, {4, 1, 13}, {}}, {dtype, {5, 1}, {}}});
    check_op("sub", {{dtype, {33}, {}}, {dtype, {}, {}}});
    check_op("less", {{dtype, {2, 3, 5}, {}}, {dtype, {3, 1}, {}}});
  }
  check_op("mul", {{DType::kF32, {200, 301}, {}}, {DType::kF32, {301}, {}}});
  check_op("add", {{DType::kF32, {100, 3, 150}, {}}, {DType::kF32, {100, 1, 150}, {}}});
  check_op("select",
           {{DType::kBool, {9, 1}, {}}, {DType::kF32, {9, 5}, {}}, {DType::kF32, {}, {}}});
  check_op("add", {{DType::kF32, {0, 3}, {}}, {DType::kF32, {3}, {}}});
}

TEST_CASE("results do not depend on the number of threads") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {70, 1111}, {}});
  const Value y = graph.add("silu", {graph.add("add", {x, graph.add("exp", {x})})});
  graph.add_output("y", graph.add("transpose", {y}));
  graph.add_output("rows", graph.add("sum", {y}, {{"axes", Dims{1}}}));
  graph.add_output("columns", graph.add("sum", {y}, {{"axes", Dims{0}}}));
  graph.add_output("all", graph.add("sum", {y}));
  const std::vector<Tensor> inputs = {filled(DType::kF32, {70, 1111}, 1)};
  const auto one = compile(graph, cpu_device(), options(1))->run(inputs);
  for (const int threads : {2, 5}) {
    const auto many = compile(graph, cpu_device(), options(threads))->run(inputs);
    for (std::size_t i = 0; i < one.size(); ++i) check_same(one[i], many[i]);
  }
}
