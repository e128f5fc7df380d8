// Importing ONNX models: sizes stay symbolic, what is missing is named, malformed models are
// refused. (The operators are covered by tests/onnx.)
#include "io/onnx.h"

#include <doctest/doctest.h>
#include <onnx/onnx_pb.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "lamina/error.h"
#include "lamina/io.h"

namespace lamina {
namespace {

namespace fs = std::filesystem;

// A folder that disappears with its files.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("onnx_test" + std::to_string(::getpid()));

  Folder() { fs::create_directories(path / "inner"); }
  ~Folder() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
    return (path / name).string();
  }
};

struct Model {
  onnx::ModelProto proto;

  explicit Model(int opset = 13) {
    proto.set_ir_version(7);
    proto.add_opset_import()->set_version(opset);
    proto.mutable_graph()->set_name("test");
  }
  onnx::GraphProto& graph() { return *proto.mutable_graph(); }
  // A dimension below 0 is the size called "N".
  Model& input(const std::string& name, std::vector<int> shape, int type = 1) {
    add_value(*graph().add_input(), name, type);
    auto* dims = graph().mutable_input()->rbegin()->mutable_type()->mutable_tensor_type();
    for (const int dim : shape) {
      auto* out = dims->mutable_shape()->add_dim();
      dim < 0 ? out->set_dim_param("N") : out->set_dim_value(dim);
    }
    dims->mutable_shape();
    return *this;
  }
  Model& output(const std::string& name, int type = 1) {
    add_value(*graph().add_output(), name, type);
    return *this;
  }
  onnx::NodeProto& node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::string& out) {
    auto* node = graph().add_node();
    node->set_op_type(op);
    for (const std::string& name : inputs) node->add_input(name);
    node->add_output(out);
    return *node;
  }
  onnx::TensorProto& integers(const std::string& name, std::vector<std::int64_t> values) {
    auto* tensor = graph().add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::INT64);
    tensor->add_dims(static_cast<std::int64_t>(values.size()));
    for (const std::int64_t value : values) tensor->add_int64_data(value);
    return *tensor;
  }
  Graph load(const LoadOptions& options = {}) const {
    const Folder folder;
    return load_model(folder.write("m.onnx", proto.SerializeAsString()), options);
  }
  std::string error(const LoadOptions& options = {}) const {
    try {
      load(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

 private:
  static void add_value(onnx::ValueInfoProto& value, const std::string& name, int type) {
    value.set_name(name);
    value.mutable_type()->mutable_tensor_type()->set_elem_type(type);
  }
};

void add_int(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
  auto* attr = node.add_attribute();
  attr->set_name(name);
  attr->set_type(onnx::AttributeProto::INT);
  attr->set_i(value);
}

bool says(const std::string& message, const std::string& words) {
  CAPTURE(message);
  CAPTURE(words);
  return message.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("onnx: shape computations over named sizes fold away") {
  Model m;
  m.input("x", {-1, 6}).output("y");
  m.integers("first", {0});
  m.integers("rest", {2, 3});
  m.node("Shape", {"x"}, "shape");
  m.node("Gather", {"shape", "first"}, "n");
  add_int(m.node("Concat", {"n", "rest"}, "wanted"), "axis", 0);
  m.node("Reshape", {"x", "wanted"}, "y");
  const Graph graph = m.load();
  REQUIRE(graph.nodes.size() == 2);  // the input and the reshape
  CHECK(to_string(graph.type(graph.outputs[0].value)) == "f32[N, 2, 3]");
  LoadOptions options;
  options.sizes["N"] = 4;
  const Graph bound = m.load(options);
  CHECK(to_string(bound.type(bound.outputs[0].value)) == "f32[4, 2, 3]");
}

TEST_CASE("onnx: a size limited by a table of positions gets that limit") {
  Model m;
  m.input("x", {-1}).input("table", {512, 4}).output("y");
  m.integers("zero", {0});
  m.node("Shape", {"x"}, "n");
  m.node("Slice", {"table", "zero", "n", "zero"}, "y");
  const Graph graph = m.load();
  CHECK(graph.sizes.at(0).max == 512);
  CHECK(to_string(graph.type(graph.outputs[0].value)) == "f32[N, 4]");
}

TEST_CASE("onnx: an input that decides a shape is asked for, and may be given") {
  Model m;
  m.input("x", {6}).input("to", {2}, 7).output("y");
  m.node("Reshape", {"x", "to"}, "y").set_name("r");
  CHECK(says(m.error(), "'shape' of Reshape 'r' depends on the input 'to'"));
  CHECK(says(m.error(), "--fix"));
  LoadOptions options;
  options.fixed_inputs["to"] =
      Tensor::from_integers(DType::kI64, {2}, std::vector<std::int64_t>{2, -1});
  const Graph graph = m.load(options);
  CHECK(to_string(graph.type(graph.outputs[0].value)) == "f32[2, 3]");
  options.fixed_inputs["x"] = Tensor(DType::kF32, {6});
  options.fix_only_needed = true;
  CHECK(m.load(options).inputs.size() == 1);  // x stays an input
}

TEST_CASE("onnx: what is missing is named") {
  Model unknown;
  unknown.input("x", {2}).output("y").node("Frobnicate", {"x"}, "y").set_domain("com.acme");
  CHECK(says(unknown.error(), "com.acme.Frobnicate 'y': operator not supported"));
  Model dtype;
  dtype.input("x", {2}, onnx::TensorProto::UINT16).output("x", onnx::TensorProto::UINT16);
  CHECK(says(dtype.error(), "'x' is of type uint16"));
  CHECK(says(Model(23).input("x", {2}).output("x").error(), "opset 23 (1 to 22"));
}

TEST_CASE("onnx: malformed models are refused by what is wrong") {
  Model cycle;
  cycle.input("x", {2}).output("b");
  cycle.node("Add", {"x", "b"}, "a");
  cycle.node("Relu", {"a"}, "b");
  CHECK(says(cycle.error(), "reads 'b' before Relu 'b' computes it: a cycle"));
  Model dangling;
  dangling.input("x", {2}).output("y").node("Add", {"x", "z"}, "y");
  CHECK(says(dangling.error(), "reads 'z', which nothing defines"));
  Model twice;
  twice.input("x", {2}).output("y").node("Relu", {"x"}, "y");
  twice.node("Exp", {"x"}, "y");
  CHECK(says(twice.error(), "'y' is defined twice"));
  Model ranks;
  ranks.input("x", {2, 3}).input("w", {4, 5}).output("y").node("MatMul", {"x", "w"}, "y");
  CHECK(says(ranks.error(), "inner sizes 3 and 4 differ"));
  Model short_data;
  short_data.input("x", {2}).output("x").integers("w", {1, 2}).set_dims(0, 1 << 30);
  CHECK(says(short_data.error(), "2 elements for shape [1073741824]"));
  Model huge;
  auto& tensor = huge.input("x", {2}).output("x").integers("w", {});
  tensor.set_dims(0, std::int64_t{1} << 40);
  tensor.add_dims(std::int64_t{1} << 40);
  CHECK(says(huge.error(), "too large"));
  Model declared;
  declared.input("x", {2}).output("y", 7).node("Relu", {"x"}, "y");
  CHECK(says(declared.error(), "declared int64, but computed as f32"));
}

TEST_CASE("onnx: a truncated file is refused") {
  Model m;
  m.input("x", {2}).output("y").node("Relu", {"x"}, "y");
  const std::string bytes = m.proto.SerializeAsString();
  const Folder folder;
  CHECK_THROWS_AS(load_model(folder.write("m.onnx", bytes.substr(0, bytes.size() - 3))), Error);
  CHECK_THROWS_AS(load_model(folder.write("m.onnx", "")), Error);
}

TEST_CASE("onnx: external data is read, but only from the folder of the model") {
  Model m;
  m.output("w", 7);
  auto& tensor = m.integers("w", {});
  tensor.set_dims(0, 2);
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto set = [&](const std::string& key, const std::string& value) {
    auto* entry = tensor.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  };
  set("location", "inner/data");
  set("offset", "8");
  const Folder folder;
  folder.write("inner/data", std::string(8, '\1') + "\2" + std::string(15, '\0'));
  const auto load = [&] { return load_model(folder.write("m.onnx", m.proto.SerializeAsString())); };
  CHECK_NOTHROW(load());
  tensor.mutable_external_data(1)->set_value("16");
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("16 bytes at 16"), Error);
  tensor.mutable_external_data(0)->set_value("../data");
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("outside the folder"), Error);
  tensor.mutable_external_data(0)->set_value("/etc/passwd");
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("outside the folder"), Error);
}

TEST_CASE("onnx: reals that a file rounds are read back, and must round to what is stored") {
  const auto loaded = [](const std::string& key, const std::string& text) {
    Model m;
    m.input("x", {2}).output("y");
    auto* tensor = m.graph().add_initializer();
    tensor->set_name("c");
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    tensor->add_float_data(0.1F);
    m.node("Mul", {"x", "c"}, "y");
    auto* entry = m.proto.add_metadata_props();
    entry->set_key(key);
    entry->set_value(text);
    return m;
  };
  const auto constant = [](const Graph& graph) {
    for (const Node& node : graph.nodes) {
      if (op_name(node) == "constant") return node.attrs.real("value");
    }
    return 0.0;
  };
  CHECK(constant(loaded("lamina.real:c", "0.1").load()) == 0.1);
  CHECK(constant(loaded("author", "0.1").load()) == static_cast<double>(0.1F));
  CHECK(says(loaded("lamina.real:c", "0.2").error(), "not what the initializer rounds"));
  CHECK(says(loaded("lamina.real:c", "0.1x").error(), "is no number"));
  CHECK(says(loaded("lamina.real:c", "nan").error(), "is no number"));
}

}  // namespace lamina
