// Hostile npy, safetensors and ONNX files and lists of programs: cut off at every byte, with every
// bit turned, and with lengths of gigabytes. Each must load or throw a lamina::Error, without much
// memory.
#include <doctest/doctest.h>
#include <onnx/onnx_pb.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "base/files.h"
#include "lamina/error.h"
#include "lamina/io.h"

namespace lamina {
namespace {

namespace fs = std::filesystem;

using Load = std::function<void(const std::string& path)>;

struct Target {
  fs::path path;
  Load load;

  Target(const std::string& extension, Load load)
      : path(fs::temp_directory_path() / ("fuzz" + std::to_string(::getpid()) + extension)),
        load(std::move(load)) {}
  ~Target() { fs::remove(path); }

  // Fails the test on anything but success and an Error that is not our own mistake.
  void feed(const std::string& bytes, const std::string& what) const {
    fs::remove(path);  // Some file systems flush a file that is overwritten.
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      load(path.string());
    } catch (const Error& error) {
      CHECK_MESSAGE(error.code() != ErrorCode::kInternal, what, ": ", error.what());
    } catch (const std::exception& error) {
      FAIL_CHECK(what, ": ", error.what());
    }
  }
};

long peak_kib() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

void torment(const Target& target, const std::string& seed) {
  const long before = peak_kib();
  target.feed(seed, "the seed");
  for (std::size_t i = 0; i < seed.size(); ++i) {
    target.feed(seed.substr(0, i), "cut at " + std::to_string(i));
    for (const unsigned bits : {0x01U, 0x80U, 0xffU}) {
      std::string bytes = seed;
      bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ bits);
      target.feed(bytes, "byte " + std::to_string(i) + " ^ " + std::to_string(bits));
    }
    // A 4 GB length where any 4 or 5 bytes may be one: fixed width, or a varint.
    for (const std::string_view length : {"\xff\xff\xff\xff", "\xff\xff\xff\xff\x0f"}) {
      std::string bytes = seed;
      bytes.replace(i, length.size(), length);
      target.feed(bytes, "length at " + std::to_string(i));
    }
  }
  CHECK(peak_kib() - before < 256 * 1024);
}

std::string bytes_of(const std::string& path) { return read_file(path); }

// Dropout, Conv, a shape computation and an initializer: every kind of field of the format.
std::string small_model() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(13);
  auto& graph = *model.mutable_graph();
  graph.set_name("g");
  auto* input = graph.add_input();
  input->set_name("x");
  auto* type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  type->mutable_shape()->add_dim()->set_dim_param("n");
  type->mutable_shape()->add_dim()->set_dim_value(4);
  auto* w = graph.add_initializer();
  w->set_name("to");
  w->set_data_type(onnx::TensorProto::INT64);
  w->add_dims(3);
  for (const int v : {-1, 2, 2}) w->add_int64_data(v);
  const auto add = [&](const char* op, std::initializer_list<const char*> in, const char* out) {
    auto* node = graph.add_node();
    node->set_op_type(op);
    for (const char* name : in) node->add_input(name);
    node->add_output(out);
    return node;
  };
  add("Reshape", {"x", "to"}, "r");
  auto* perm = add("Transpose", {"r"}, "t")->add_attribute();
  perm->set_name("perm");
  perm->set_type(onnx::AttributeProto::INTS);
  for (const int v : {0, 2, 1}) perm->add_ints(v);
  auto* value = add("ConstantOfShape", {"to3"}, "z")->add_attribute();
  value->set_name("value");
  value->set_type(onnx::AttributeProto::TENSOR);
  value->mutable_t()->set_data_type(onnx::TensorProto::FLOAT);
  value->mutable_t()->add_dims(1);
  value->mutable_t()->set_raw_data(std::string("\0\0\x80\x3f", 4));
  auto* raw = graph.add_initializer();
  raw->set_name("to3");
  raw->set_data_type(onnx::TensorProto::INT64);
  raw->add_dims(1);
  raw->set_raw_data(std::string("\2\0\0\0\0\0\0\0", 8));
  add("Add", {"t", "z"}, "y");
  graph.add_output()->set_name("y");
  return model.SerializeAsString();
}

}  // namespace

TEST_CASE("fuzz: npy") {
  const Target target(".npy", [](const std::string& path) { load_npy(path); });
  save_npy(target.path.string(), Tensor(DType::kF32, {2, 3}));
  torment(target, bytes_of(target.path.string()));
}

TEST_CASE("fuzz: safetensors") {
  const Target target(".safetensors", [](const std::string& path) {
    load_safetensors(path);
    load_safetensors_metadata(path);
  });
  save_safetensors(target.path.string(),
                   {{"a", Tensor(DType::kF32, {2, 3})}, {"b", Tensor(DType::kI64, {2})}},
                   {{"k", "v"}});
  torment(target, bytes_of(target.path.string()));
}

TEST_CASE("fuzz: onnx") {
  const Target target(".onnx", [](const std::string& path) { load_model(path); });
  torment(target, small_model());
}

TEST_CASE("fuzz: the list of a folder of programs") {
  const fs::path folder =
      fs::temp_directory_path() / ("fuzz_programs" + std::to_string(::getpid()));
  const Graph all = parse_graph("lamina 1\ngraph g[T: 1..9](x: f32[T]) {\n  return relu(x)\n}\n");
  const Graph one = parse_graph("lamina 1\ngraph g(x: f32[1]) {\n  return relu(x)\n}\n");
  const ClassProgram classes[] = {{{{"T", 1, 1}}, one}, {{{"T", 2, 9}}, all}};
  save_programs(folder.string(), all, classes);
  Target target(".json", [&](const std::string&) {
    const ProgramFolder programs(folder.string());
    for (std::size_t n = 0; n < programs.classes(); ++n) programs.load_class(n);
    load_model(folder.string(), {.sizes = {{"T", 1}}});
  });
  target.path = folder / "classes.json";
  torment(target, bytes_of(target.path.string()));
  fs::remove_all(folder);
}

}  // namespace lamina
