// Programs of the CPU device against the reference, and what the device promises about threads,
// memory, compilation and state.
#include "exec/cpu/cpu_device.h"

#include <doctest/doctest.h>

#include <cmath>
#include <thread>

#include "base/temporary_folder.h"
#include "base/thread_pool.h"
#include "exec/ref/ref_device.h"
#include "graph/op_def.h"
#include "lamina/error.h"

using namespace lamina;

namespace {

RunOptions options(int threads = 2) {
  static const TemporaryFolder cache;  // for the cases that do not count compiler runs
  RunOptions options;
  options.threads = threads;
  options.cache_dir = cache.path();
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
  check_op("shift_right", {{DType::kI64, {40}, {}}, {DType::kI64, {}, {}}});
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

TEST_CASE("reductions along rows, columns and windows, exact in integers") {
  for (const Dims& axes : {Dims{0}, Dims{1}, Dims{2}, Dims{0, 2}, Dims{1, 2}, Dims{}}) {
    CAPTURE(to_string(axes));
    check_op("sum", {{DType::kF32, {6, 37, 45}, {}}}, {{"axes", axes}});
    check_op("reduce_max", {{DType::kF32, {6, 37, 45}, {}}}, {{"axes", axes}});
    check_op("sum", {{DType::kI32, {6, 37, 45}, {}}}, {{"axes", axes}, {"keepdims", true}});
    check_op("reduce_min", {{DType::kBF16, {6, 37, 45}, {}}}, {{"axes", axes}});
  }
  check_op("sum", {{DType::kF32, {0, 3}, {}}}, {{"axes", Dims{0}}});
  check_op("reduce_max", {{DType::kI8, {3, 0}, {}}}, {{"axes", Dims{1}}});
  check_op("cumsum", {{DType::kF64, {3, 50}, {}}}, {{"axis", 1}});
}

TEST_CASE("a long sum of floats keeps its accuracy") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {3000000}, {}});
  graph.add_output("y", graph.add("sum", {x}));
  const std::vector<double> values(3000000, 0.1);
  const std::vector<Tensor> inputs = {Tensor::from_doubles(DType::kF32, {3000000}, values)};
  const double sum = compile(graph, cpu_device(), options())->run(inputs)[0].to_doubles()[0];
  CHECK(std::fabs(sum / (3000000 * static_cast<double>(0.1f)) - 1) < 2e-6);
}

TEST_CASE("moves: runs, transposes, indices, orders") {
  check_op("transpose", {{DType::kF32, {70, 41}, {}}});
  check_op("transpose", {{DType::kBF16, {5, 40, 66}, {}}}, {{"axes", Dims{0, 2, 1}}});
  check_op("transpose", {{DType::kI8, {5, 6, 33, 7}, {}}}, {{"axes", Dims{2, 0, 3, 1}}});
  check_op("concat", {{DType::kF32, {3, 5}, {}}, {DType::kF32, {3, 40}, {}}}, {{"axis", 1}});
  check_op("slice", {{DType::kF32, {9, 8}, {}}},
           {{"start", Dims{7, 1}}, {"size", Dims{3, 6}}, {"step", Dims{-2, 1}}});
  check_op("sort", {{DType::kF32, {3, 100, 2}, {}}}, {{"axis", 1}});
  check_op("sort", {{DType::kI64, {257}, {}}}, {{"axis", 0}, {"descending", true}});
  check_op("argmax", {{DType::kI32, {4, 9, 3}, {}}}, {{"axis", 1}});
}

TEST_CASE("one program serves all values of its sizes and is compiled once") {
  Graph graph;
  graph.sizes = {{"T", 1, 300}};
  const Dim t = Dim::size("T");
  const Value x = graph.add_input("x", {DType::kF32, {t, 24}, {}});
  const Value y = graph.add_input("y", {DType::kF32, {24, t}, {}});
  const Value z = graph.add("matmul", {x, y});
  graph.add_output("z", graph.add("sum", {graph.add("mul", {z, z})}, {{"axes", Dims{0}}}));
  graph.add_output("flat", graph.add("reshape", {x}, {{"shape", Dims{t * Dim(24)}}}));
  const TemporaryFolder cache;
  const auto program = compile(graph, cpu_device(), {2, cache.path()});
  const std::int64_t compiles = program->stats().compiles;
  CHECK(compiles >= 1);
  const auto reference = compile(graph, ref_device());
  for (const std::int64_t size : {1, 17, 128, 3, 300, 17, 5, 6, 7}) {
    CAPTURE(size);
    const std::vector<Tensor> inputs = {filled(DType::kF32, {size, 24}, 3),
                                        filled(DType::kF32, {24, size}, 4)};
    const auto got = program->run(inputs);
    const auto want = reference->run(inputs);
    for (std::size_t i = 0; i < got.size(); ++i) check_close(got[i], want[i], 1e-4);
  }
  CHECK(program->stats().compiles == compiles);
  const std::vector<Tensor> large = {filled(DType::kF32, {301, 24}, 3),
                                     filled(DType::kF32, {24, 301}, 4)};
  CHECK_THROWS_AS(program->run(large), Error);
}

TEST_CASE("views, inputs and weights may be outputs") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {4, 6}, {}});
  const Value w = graph.add_weight("w", filled(DType::kF32, {6}, 9));
  const Value y = graph.add("add", {x, w});
  const Value part = graph.add("slice", {y}, {{"start", Dims{1, 0}}, {"size", Dims{2, 6}}});
  graph.add_output("x", x);
  graph.add_output("w", w);
  graph.add_output("y", y);
  graph.add_output("again", y);
  graph.add_output("part", part);
  graph.add_output("shaped", graph.add("reshape", {y}, {{"shape", Dims{2, 12}}}));
  graph.add_output("used", graph.add("exp", {part}));
  check_against_reference(graph, {filled(DType::kF32, {4, 6}, 1)});
}

TEST_CASE("inputs with strides are made dense") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {3, 2}, {}});
  graph.add_output("y", graph.add("add", {x, x}));
  const Tensor dense = filled(DType::kF32, {2, 3}, 1);
  const std::vector<Tensor> inputs = {Tensor(DType::kF32, {{3, 2}, {1, 3}}, dense.buffer())};
  check_against_reference(graph, inputs);
}

TEST_CASE("states: all updates happen at once, after every read") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {2}, {}});
  const Value a = graph.add_state("a", {DType::kF32, {2}, {}}, 1.0);
  const Value b = graph.add_state("b", {DType::kF32, {2}, {}}, 2.0);
  const Value sum = graph.add_state("sum", {DType::kF32, {2}, {}});
  graph.add_update(a, b);
  graph.add_update(b, a);
  graph.add_update(sum, graph.add("add", {sum, graph.add("mul", {a, x})}));
  graph.add_output("a", a);
  graph.add_output("sum", sum);
  const std::vector<Tensor> inputs = {filled(DType::kF32, {2}, 5)};
  const auto program = compile(graph, cpu_device(), options());
  const auto reference = compile(graph, ref_device());
  for (int round = 0; round < 2; ++round) {
    CHECK_THROWS_AS(program->state("x"), Error);
    for (int run = 0; run < 3; ++run) {
      const auto got = program->run(inputs);
      const auto want = reference->run(inputs);
      for (std::size_t i = 0; i < got.size(); ++i) check_close(got[i], want[i], 1e-6);
      for (const char* name : {"a", "b", "sum"}) {
        check_close(program->state(name), reference->state(name), 1e-6);
      }
    }
    program->reset_state();
    reference->reset_state();
  }
}

TEST_CASE("programs run side by side, and inside the tasks of a loop") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {300, 400}, {}});
  graph.add_output("y", graph.add("silu", {graph.add("exp", {x})}));
  const std::vector<Tensor> inputs = {filled(DType::kF32, {300, 400}, 1)};
  std::vector<std::unique_ptr<Program>> programs;
  for (int i = 0; i < 4; ++i) programs.push_back(compile(graph, cpu_device(), options(2)));
  const Tensor want = programs[0]->run(inputs)[0];
  std::vector<Tensor> results(4);
  const auto run = [&](std::size_t i) {
    for (int times = 0; times < 20; ++times) results[i] = programs[i]->run(inputs)[0];
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < 4; ++i) threads.emplace_back(run, i);
  }
  for (const Tensor& result : results) check_same(result, want);
  results.assign(4, Tensor());
  ThreadPool pool(3);
  pool.parallel_for(4, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) run(static_cast<std::size_t>(i));
  });
  for (const Tensor& result : results) check_same(result, want);
}

TEST_CASE("weights: packed once, shared, and let go") {
  const auto graph_with = [](const Tensor& weight) {
    Graph graph;
    const Value x = graph.add_input("x", {DType::kF32, {5, 64}, {}});
    const Value w = weight.empty()
                        ? graph.add_input("w", {DType::kF32, {96, 64}, {}}, Role::kWeight)
                        : graph.add_weight("w", weight);
    const Value turned = graph.add("transpose", {w});
    graph.add_output("y", graph.add("matmul", {x, turned}));
    return graph;
  };
  const Tensor weight = filled(DType::kF32, {96, 64}, 1);
  const std::vector<Tensor> inputs = {filled(DType::kF32, {5, 64}, 2)};
  check_against_reference(graph_with(weight), inputs, 1e-4);

  const auto late = compile(graph_with({}), cpu_device(), options());
  CHECK_THROWS_AS(late->run(inputs), Error);
  CHECK_THROWS_AS(late->set_weight("v", weight), Error);
  CHECK_THROWS_AS(late->set_weight("w", inputs[0]), Error);
  late->set_weight("w", weight);
  const Tensor want = late->run(inputs)[0];
  CHECK(late->stats().packed_weight_bytes == 96 * 64 * 4);

  // Nobody but the caller holds the elements that only the packed copy needs.
  std::weak_ptr<Buffer> elements;
  {
    const Tensor own = weight.clone();
    elements = own.buffer();
    late->set_weight("w", own);
    check_same(late->run(inputs)[0], want);
  }
  CHECK(elements.expired());

  // Other elements at the same address are another weight.
  Tensor changed = weight.clone();
  const auto before = compile(graph_with(changed), cpu_device(), options());
  check_same(before->run(inputs)[0], want);
  changed.span<float>()[7] += 1.0F;
  check_against_reference(graph_with(changed), inputs, 1e-4);
}

TEST_CASE("what cannot run is refused by name") {
  Graph graph;
  graph.add_output("y", graph.add_input("x", {DType::kQ8_0, {4, 32}, {}}));
  CHECK_THROWS_WITH_AS(compile(graph, cpu_device(), options()),
                       "device cpu: input 'x' of type q8_0", Error);
}

TEST_CASE("control flow runs compiled bodies with the sizes around it") {
  const Dim t = Dim::size("T");
  const Type scalar{DType::kI64, {}, {}};
  const Type row{DType::kF32, {t}, {}};
  const auto branch = [&](const char* op) {
    Graph body;
    body.sizes = {{"T", 1, 64}};
    const Value x = body.add_input("x", row);
    body.add_output("y", body.add(op, {x}));
    return body;
  };
  Graph step;
  step.sizes = {{"T", 1, 64}};
  const Value i = step.add_input("i", scalar);
  const Value carried = step.add_input("carried", row);
  const Value read = step.add_input("read", row);
  const Value next = step.add("add", {carried, read});
  step.add_output("go_on", step.add("less", {i, step.constant(2, DType::kI64)}));
  step.add_output("next", next);
  step.add_output("scanned", step.add("neg", {next}));

  Graph graph;
  graph.sizes = {{"T", 1, 64}};
  const Value x = graph.add_input("x", row);
  const Value condition = graph.add_input("condition", {DType::kBool, {}, {}});
  const Value y = graph.add("if", {condition, x}, {}, "y", {branch("exp"), branch("neg")});
  const Value trips = graph.constant(3, DType::kI64);
  const Value loop = graph.add("loop", {trips, graph.constant(1, DType::kBool), y, x},
                               {{"carried", 1}, {"trips", Dims{3}}}, "loop", {step});
  graph.add_output("y", y);
  graph.add_output("last", loop);
  graph.add_output("all", {loop.node, 1});
  for (const std::int64_t size : {5, 40}) {
    for (const double yes : {0.0, 1.0}) {
      check_against_reference(graph, {filled(DType::kF32, {size}, 1),
                                      Tensor::from_doubles(DType::kBool, {}, {&yes, 1})});
    }
  }
}

TEST_CASE("weights that runs read in packed form only are let go") {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {8, 64}, {}});
  const Value w = graph.add_weight("w", filled(DType::kF32, {64, 96}, 1));
  const Value bias = graph.add_weight("bias", filled(DType::kF32, {96}, 2));
  graph.add_output("y", graph.add("add", {graph.add("matmul", {x, w}), bias}));
  const auto program = find_device("cpu").compile(graph, options());
  program->run(std::vector<Tensor>{filled(DType::kF32, {8, 64}, 3)});
  CHECK(program->stats().packed_weight_bytes == 64 * 96 * 4);
  CHECK(program->stats().plain_weight_bytes == 96 * 4);
  CHECK(program->graph().inputs[1].value.empty());
  CHECK_FALSE(program->graph().inputs[2].value.empty());
}
