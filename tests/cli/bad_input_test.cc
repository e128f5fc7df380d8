// Hostile and broken input: one line, the right exit status, and nothing that existed is harmed.
#include <doctest/doctest.h>

#include "base/json.h"
#include "lamina/io.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;

namespace {

// The wire format of Protocol Buffers, as much of it as an ONNX model needs.
std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 128; value /= 128) out += static_cast<char>(value % 128 + 128);
  return out + static_cast<char>(value);
}
std::string number(int field, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(field) * 8) + varint(value);
}
std::string bytes(int field, const std::string& value) {
  return varint(static_cast<std::uint64_t>(field) * 8 + 2) + varint(value.size()) + value;
}

std::string onnx_node(const std::string& op, const std::vector<std::string>& inputs,
                      const std::string& output) {
  std::string node;
  for (const std::string& input : inputs) node += bytes(1, input);
  return bytes(1, node + bytes(2, output) + bytes(4, op));
}

// An f32 value as field `field` of a graph: 11 for inputs, 12 for outputs.
std::string onnx_value(int field, const std::string& name, const Shape& shape) {
  std::string dims;
  for (const std::int64_t size : shape) {
    dims += bytes(1, number(1, static_cast<std::uint64_t>(size)));
  }
  return bytes(field, bytes(1, name) + bytes(2, bytes(1, number(1, 1) + bytes(2, dims))));
}

std::string onnx_model(const std::string& graph) {
  return number(1, 8) + bytes(7, graph + bytes(2, "g")) + bytes(8, number(2, 17));
}

std::string good_model() {
  return onnx_model(onnx_node("MatMul", {"x", "w"}, "p") + onnx_node("Relu", {"p"}, "y") +
                    onnx_value(11, "x", {2, 3}) + onnx_value(11, "w", {3, 4}) +
                    onnx_value(12, "y", {2, 4}));
}

}  // namespace

TEST_CASE("an ONNX file that is cut off anywhere is refused or read, never a crash") {
  const Sandbox box;
  const std::string model = good_model();
  write_all(box.path("m.onnx"), model);
  REQUIRE(box.lamina("show $/m.onnx").status == 0);
  for (std::size_t size = 1; size < model.size(); size += 9) {
    write_all(box.path("cut.onnx"), model.substr(0, size));
    box.refuses("show $/cut.onnx", 2, "cut.onnx");
  }
}

TEST_CASE("graphs with a cycle: 2") {
  const Sandbox box;
  write_all(box.path("cycle.onnx"),
            onnx_model(onnx_node("Add", {"x", "b"}, "a") + onnx_node("Relu", {"a"}, "b") +
                       onnx_value(11, "x", {2}) + onnx_value(12, "b", {2})));
  write_all(box.path("cycle.lam"),
            "lamina 1\ngraph g(x: f32[2]) {\n  a = x + b\n  b = relu(a)\n  return b\n}\n");
  box.refuses("show $/cycle.onnx", 2, "'b'");
  box.refuses("show $/cycle.lam", 2, "'b' is not defined");
}

TEST_CASE("shapes that do not fit: 2") {
  const Sandbox box;
  write_all(box.path("m.onnx"),
            onnx_model(onnx_node("MatMul", {"x", "w"}, "y") + onnx_value(11, "x", {2, 3}) +
                       onnx_value(11, "w", {5, 4}) + onnx_value(12, "y", {2, 4})));
  write_all(box.path("m.lam"),
            "lamina 1\ngraph g(x: f32[2, 3], w: f32[5, 4]) {\n  return matmul(x, w)\n}\n");
  box.refuses("show $/m.onnx", 2, "3");
  box.refuses("show $/m.lam", 2, "inner sizes 3 and 5 differ");
  write_all(box.path("good.onnx"), good_model());
  save_npy(box.path("x.npy"), Tensor(DType::kF32, {3, 2}));
  save_npy(box.path("w.npy"), Tensor(DType::kF32, {3, 4}));
  for (const char* device : {"ref", "cpu"}) {
    const std::string run = "run $/good.onnx --device " + std::string(device) + " --cache-dir $/c ";
    box.refuses(run + "--input x=$/x.npy w=$/w.npy", 2, "x");
    box.refuses(run + "--input w=$/w.npy", 2, "the input 'x' is missing");
  }
}

TEST_CASE("a length of 4 GB in a file of 1 KB: 2") {
  const Sandbox box;
  const std::string filler(1000, ' ');
  const std::string four_gb = {0, 0, 0, 0, 1, 0, 0, 0};
  write_all(box.path("m.lam"), "lamina 1\ngraph g(weight w: f32[2]) { return w }\n");
  write_all(box.path("m.safetensors"), four_gb + filler);
  box.refuses("show $/m.lam", 2, "m.safetensors");
  const std::string header =
      R"({"w":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}})";
  write_all(box.path("m.safetensors"),
            static_cast<char>(header.size()) + std::string(7, '\0') + header + filler);
  box.refuses("show $/m.lam", 2, "m.safetensors");
  write_all(box.path("m.onnx"), number(1, 8) + varint(7 * 8 + 2) + varint(1ull << 32) + filler);
  box.refuses("show $/m.onnx", 2, "m.onnx");
  write_all(box.path("x.npy"), std::string("\x93NUMPY\x01\x00v\x00", 10) +
                                   "{'descr': '<f4', 'fortran_order': False, "
                                   "'shape': (1073741824,)}" +
                                   std::string(118 - 64, ' ') + filler);
  write_all(box.path("one.lam"), "lamina 1\ngraph g(x: f32[2]) { return x }\n");
  box.refuses("run $/one.lam --device ref --input $/x.npy", 2, "x.npy");
}
