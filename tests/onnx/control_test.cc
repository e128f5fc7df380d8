// Branches and loops that depend on data become regions and run on every device.
#include <doctest/doctest.h>
#include <google/protobuf/text_format.h>
#include <onnx/onnx_pb.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "lamina/device.h"
#include "lamina/io.h"

namespace lamina {
namespace {

constexpr const char* kFloat2 =
    R"(type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } } } })";
constexpr const char* kFloat0 = R"(type { tensor_type { elem_type: 1 shape { } } })";
constexpr const char* kBool0 = R"(type { tensor_type { elem_type: 9 shape { } } })";
constexpr const char* kInt0 = R"(type { tensor_type { elem_type: 7 shape { } } })";

std::string value(const std::string& field, const std::string& name, const std::string& type) {
  return field + " { name: '" + name + "' " + type + " }\n";
}

Graph load_text(const std::string& graph) {
  onnx::ModelProto model;
  const bool parsed = google::protobuf::TextFormat::ParseFromString(
      "ir_version: 7 opset_import { version: 13 } graph { name: 'g'\n" + graph + "}", &model);
  REQUIRE(parsed);
  const std::string path =
      (std::filesystem::temp_directory_path() / ("control" + std::to_string(::getpid()) + ".onnx"))
          .string();
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
  Graph loaded = load_model(path);
  std::remove(path.c_str());
  return loaded;
}

Tensor floats(Shape shape, std::vector<double> values) {
  return Tensor::from_doubles(DType::kF32, std::move(shape), values);
}

}  // namespace

TEST_CASE("onnx: a branch that depends on data reads what surrounds it") {
  const Graph graph =
      load_text(value("input", "c", kBool0) + value("input", "x", kFloat2) +
                R"(initializer { name: 'w' data_type: 1 dims: 2 float_data: 10 float_data: 20 }
         node { op_type: 'If' input: 'c' output: 'y'
           attribute { name: 'then_branch' type: GRAPH g { name: 'a'
             node { op_type: 'Add' input: 'x' input: 'w' output: 'p' } output { name: 'p' } } }
           attribute { name: 'else_branch' type: GRAPH g { name: 'b'
             node { op_type: 'Neg' input: 'x' output: 'q' } output { name: 'q' } } } }
         output { name: 'y' })");
  for (const Device* device : devices()) {
    CAPTURE(device->name());
    const auto program = compile(graph, *device);
    for (const bool c : {true, false}) {
      const std::vector<Tensor> inputs{
          Tensor::from_integers(DType::kBool, {}, std::vector<std::int64_t>{c ? 1 : 0}),
          floats({2}, {1, 2})};
      const std::vector<double> want =
          c ? std::vector<double>{11, 22} : std::vector<double>{-1, -2};
      CHECK(program->run(inputs)[0].to_doubles() == want);
    }
  }
}

// Doubles x until it exceeds the limit, at most M times.
TEST_CASE("onnx: a loop whose end depends on data") {
  const Graph graph = load_text(
      value("input", "M", kInt0) + value("input", "x", kFloat0) + value("input", "limit", kFloat0) +
      R"(node { op_type: 'Less' input: 'x' input: 'limit' output: 'start' }
         node { op_type: 'Loop' input: 'M' input: 'start' input: 'x' output: 'y'
           attribute { name: 'body' type: GRAPH g { name: 'body' )" +
      value("input", "i", kInt0) + value("input", "go", kBool0) + value("input", "v", kFloat0) +
      R"(    node { op_type: 'Add' input: 'v' input: 'v' output: 'twice' }
             node { op_type: 'Less' input: 'twice' input: 'limit' output: 'more' }
             output { name: 'more' } output { name: 'twice' } } } }
         output { name: 'y' })");
  for (const Device* device : devices()) {
    CAPTURE(device->name());
    const auto program = compile(graph, *device);
    const auto run = [&](std::int64_t trips, double x, double limit) {
      const std::vector<Tensor> inputs{
          Tensor::from_integers(DType::kI64, {}, std::vector<std::int64_t>{trips}), floats({}, {x}),
          floats({}, {limit})};
      return program->run(inputs)[0].to_doubles()[0];
    };
    CHECK(run(100, 3, 40) == 48);
    CHECK(run(2, 3, 40) == 12);
    CHECK(run(100, 50, 40) == 50);
  }
}

}  // namespace lamina
