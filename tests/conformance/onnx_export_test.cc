// Every operator out as ONNX and in again: the function must stay what it was.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>

#include "base/temporary_folder.h"
#include "cases.h"
#include "graph/tolerance.h"
#include "lamina/io.h"
#include "lamina/verify.h"

using namespace lamina;
using namespace lamina::conformance;

namespace {

namespace fs = std::filesystem;

// A folder that goes when the test ends.
class Folder {
 public:
  std::string file(std::string name) const {
    std::replace(name.begin(), name.end(), '/', '_');
    return folder_.file(name);
  }

 private:
  TemporaryFolder folder_;
};

// What ONNX cannot say, by operator. All other operators with samples must go through.
const std::set<std::string_view> kNotInOnnx = {"random_bits", "random_uniform", "random_normal",
                                               "shift_left", "shift_right"};
// What stands in gradients only and is not exported.
constexpr std::string_view kOnlyInGradients = "conv_last_filters";

// Attributes of ONNX have 32 bits: 0.01, say, is no such number.
const std::set<std::string_view> kNotInF64 = {"leaky_relu", "selu", "hard_sigmoid"};

std::vector<std::string> given_inputs(const Graph& graph) {
  std::vector<std::string> names;
  for (const Input& input : graph.inputs) {
    if (input.role == Role::kInput) names.push_back(graph.node({input.node, 0}).name);
  }
  return names;
}

// Runs both graphs on the same inputs. Constants that are tensors come back as weights.
void check_same(const Graph& graph, const Graph& read, std::span<const Tensor> inputs) {
  REQUIRE(given_inputs(read) == given_inputs(graph));
  REQUIRE(read.outputs.size() == graph.outputs.size());
  const std::vector<Tensor> want = run_reference(graph, inputs);
  const std::vector<Tensor> got = run_reference(read, inputs);
  for (std::size_t k = 0; k < want.size(); ++k) {
    CHECK(read.outputs[k].name == graph.outputs[k].name);
    const auto wrong = difference(got[k], want[k], tolerance(graph));
    CHECK_MESSAGE(!wrong, wrong.value_or(""));
  }
}

Graph through_onnx(const Graph& graph, const std::string& file) {
  save_model(file, graph);
  return load_model(file);
}

void check_cases(const std::vector<Case>& cases, const std::set<std::string_view>& expected) {
  const Folder folder;
  std::mt19937_64 random(11);
  std::set<std::string_view> refused;
  for (const Case& each : cases) {
    CAPTURE(each.name);
    const Graph graph = graph_of(each);
    const std::string file = folder.file(each.name + ".onnx");
    try {
      const Graph read = through_onnx(graph, file);
      check_same(graph, read, random_inputs(each, random));
    } catch (const Error& error) {
      if (each.op->name == kOnlyInGradients) continue;
      refused.insert(each.op->name);
      const bool known = error.code() == ErrorCode::kUnsupported && expected.count(each.op->name);
      CHECK_MESSAGE(known, each.name, ": ", error.what());
    }
  }
  CHECK(refused == expected);
}

std::string text_of_sizes() {
  return R"(lamina 1
graph sizes[T: 1..64, B: 1..8](x: f32[B, T, 6], weight w: f32[6, 4]) {
  y = x @ w
  flat = reshape(y, shape=[B*T, 4])
  n = size_value(size=[2*T + 1], dtype=f32)
  mean = reshape(sum(flat, axes=[0]), shape=[1, 4]) / n
  place = iota(shape=[T, 4], axis=0, dtype=f32)
  return reshape(flat + mean, shape=[B, T, 4]) + broadcast(place, shape=[B, T, 4])
}
)";
}

}  // namespace

TEST_CASE("every operator keeps its function through ONNX") {
  check_cases(all_cases(), kNotInOnnx);
}

TEST_CASE("every operator of f64 and bf16 keeps its function through ONNX") {
  for (const DType dtype : {DType::kF64, DType::kBF16}) {
    std::vector<Case> cases;
    for (const Case& each : all_cases()) {
      if (has_float(each.sample.inputs)) cases.push_back(with_floats(each, dtype));
    }
    check_cases(cases, dtype == DType::kF64 ? kNotInF64 : std::set<std::string_view>{});
  }
}

TEST_CASE("named sizes stay names, and what is computed from them follows") {
  const Folder folder;
  Graph graph = parse_graph(text_of_sizes());
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  const auto drawn = [&](const Shape& shape) {
    std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
    for (double& value : values) value = uniform(random);
    return Tensor::from_doubles(DType::kF32, shape, values);
  };
  for (Input& input : graph.inputs) {
    if (input.role == Role::kWeight) input.value = drawn({6, 4});
  }
  const Graph read = through_onnx(graph, folder.file("sizes.onnx"));
  REQUIRE(read.sizes.size() == 2);
  for (const std::int64_t t : {1, 5}) {
    const std::vector<Tensor> inputs{drawn({2, t, 6})};
    const std::vector<Tensor> want = run_reference(graph, inputs);
    const std::vector<Tensor> got = run_reference(read, inputs);
    REQUIRE(got.size() == 1);
    const Graph bound = bind_sizes(graph, {{"T", t}, {"B", 2}});
    CHECK_FALSE(difference(got[0], want[0], tolerance(bound)).has_value());
  }
}

TEST_CASE("branches and loops become If and Loop") {
  const Folder folder;
  const Graph graph = parse_graph(R"(lamina 1
graph control(c: bool[], n: i64[], x: f32[4]) {
  y = if(c, x) then { return exp(x) } else { return x * 2 }
  z = loop(n, c, y, x, carried=1) {
    (i: i64[], a: f32[4], b: f32[4])
    return less(i, 3), a + b
  }
  return z
}
)");
  const Graph read = through_onnx(graph, folder.file("control.onnx"));
  for (const std::int64_t c : {0, 1}) {
    const std::vector<Tensor> inputs{
        Tensor::from_integers(DType::kBool, {}, std::vector<std::int64_t>{c}),
        Tensor::from_integers(DType::kI64, {}, std::vector<std::int64_t>{9}),
        Tensor::from_doubles(DType::kF32, {4}, std::vector<double>{1, -2, 0.5, 3})};
    check_same(graph, read, inputs);
  }
}

TEST_CASE("what is written is proved equal to what was read") {
  const Folder folder;
  // 0.1 and the like are no floats of 32 bits; what they were meant to be goes along.
  const Graph graph = parse_graph(
      "lamina 1\ngraph g(x: f32[3, 8], w: f32[8, 5]) {\n"
      "  y = softmax(silu(x @ w) * 0.1) + 1\n"
      "  return leaky_relu(y) * rms_norm(y, epsilon=1e-6)\n}\n");
  const Verdict verdict = verify(graph, through_onnx(graph, folder.file("g.onnx")));
  CHECK_MESSAGE(verdict.outcome == Outcome::kEquivalent, verdict.reason);
}

TEST_CASE("what ONNX cannot say is refused by name, and no file is left") {
  const Folder folder;
  const auto refused = [&](const std::string& text, const std::string& part) {
    try {
      save_model(folder.file("r.onnx"), parse_graph(text));
      FAIL_CHECK("no refusal: " << part);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kUnsupported);
      CHECK_MESSAGE(std::string(error.what()).find(part) != std::string::npos, error.what());
    }
    CHECK_FALSE(fs::exists(folder.file("r.onnx")));
  };
  refused("lamina 1\ngraph g(x: f32[4], state s: f32[4] = 0.0) {\n  s <- x\n  return s\n}\n",
          "state 's'");
  refused("lamina 1\ngraph g[T](x: f32[2*T]) {\n  return exp(x)\n}\n", "no name for a size of 2*T");
  refused("lamina 1\ngraph g(x: i64[4]) {\n  return shift_left(x, 1)\n}\n", "shift_left");
  refused(R"(lamina 1
graph g(x: f32[4, 8]) {
  y = block(x, grid=[4]) {
    t = load(x, grid=[0], tile=[1, 8])
    return store(exp(t), grid=[0], shape=[4, 8])
  }
  return y
}
)",
          "block 'y'");
}

// The checker of the Python package says whether the files are well formed.
TEST_CASE("onnx.checker accepts what is written" * doctest::test_suite("peers")) {
  const std::string python = "/usr/bin/python3";
  if (std::system((python + " -c 'import onnx' 2>/dev/null").c_str()) != 0) {
    std::cout << "skipped: the Python package onnx is not installed\n";
    return;
  }
  const Folder folder;
  std::string files;
  for (const Case& each : all_cases()) {
    if (kNotInOnnx.count(each.op->name) != 0) continue;
    const std::string file = folder.file(each.name + ".onnx");
    save_model(file, graph_of(each));
    files += " " + file;
  }
  const std::string script =
      " -c 'import sys, onnx\n"
      "bad = 0\n"
      "for f in sys.argv[1:]:\n"
      "  m = onnx.load(f)\n"
      "  if m.opset_import[0].version > onnx.defs.onnx_opset_version(): continue\n"
      "  try: onnx.checker.check_model(m, full_check=True)\n"
      "  except Exception as e: bad += 1; print(f, str(e)[:300])\n"
      "sys.exit(bad > 0)'";
  CHECK(std::system((python + script + files).c_str()) == 0);
}

// Another implementation reads the files. LAMINA_PYTHON: a Python with onnxruntime.
TEST_CASE("ONNX Runtime computes the same from what is written" * doctest::test_suite("peers")) {
  const Folder folder;
  std::mt19937_64 random(12);
  for (const Case& each : all_cases()) {
    if (kNotInOnnx.count(each.op->name) != 0) continue;
    const Graph graph = graph_of(each);
    save_model(folder.file(each.name + ".onnx"), graph);
    const std::vector<Tensor> inputs = random_inputs(each, random);
    const std::vector<Tensor> want = run_reference(graph, inputs);
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      save_npy(folder.file(each.name + ".in." + std::to_string(k) + ".npy"), inputs[k]);
    }
    for (std::size_t k = 0; k < want.size(); ++k) {
      save_npy(folder.file(each.name + ".out." + std::to_string(k) + ".npy"), want[k]);
    }
  }
  const char* python = std::getenv("LAMINA_PYTHON");
  const std::string command = std::string(python == nullptr ? "python3" : python) +
                              " tests/conformance/onnx_runtime.py " + folder.file("");
  const int status = std::system(command.c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::cout << "skipped: ONNX Runtime is not installed\n";
  } else {
    CHECK(status == 0);
  }
}
