// An ONNX model as plain values: what the converters see of the protobuf file, already checked.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lamina/tensor.h"

namespace lamina {

struct OnnxGraph;

// Elements, or the reason why Lamina has no dtype for them ("uint16").
struct OnnxTensor {
  Tensor tensor;
  std::string unsupported;
  // Of a scalar that Lamina wrote: the real that was meant, which `tensor` holds rounded.
  std::optional<double> exact = {};
};

struct OnnxAttr {
  enum class Kind : std::uint8_t {
    kInt,
    kFloat,
    kText,
    kInts,
    kFloats,
    kTexts,
    kTensor,
    kGraph,
    kOther
  };
  Kind kind = Kind::kOther;
  std::vector<std::int64_t> ints;  // kInt: one
  std::vector<double> floats;      // kFloat: one
  std::vector<std::string> texts;  // kText: one
  OnnxTensor tensor;
  std::shared_ptr<const OnnxGraph> graph;
};

struct OnnxNode {
  std::string op;
  std::string domain;  // "" is the standard one
  std::string name;
  std::vector<std::string> inputs;   // "": left out
  std::vector<std::string> outputs;  // "": not wanted
  std::map<std::string, OnnxAttr, std::less<>> attrs;
};

// One dimension: a number, a name, or neither (unknown).
struct OnnxDim {
  std::optional<std::int64_t> value;
  std::string name;
};

// The declared type of a graph input or output.
struct OnnxType {
  std::string text;            // "float", "sequence", ...
  std::optional<DType> dtype;  // absent: not a tensor, or of elements that Lamina has not
  bool is_tensor = false;
  std::optional<std::vector<OnnxDim>> shape;
};

struct OnnxValueInfo {
  std::string name;
  OnnxType type;
};

struct OnnxGraph {
  std::string name;
  std::vector<OnnxValueInfo> inputs;
  std::vector<OnnxValueInfo> outputs;
  std::map<std::string, OnnxTensor> initializers;
  std::vector<OnnxNode> nodes;
};

struct OnnxModel {
  std::map<std::string, std::int64_t> opsets;  // version by domain
  OnnxGraph graph;
};

// An element type of TensorProto.DataType; `dtype` is absent for those that Lamina has not.
struct OnnxElement {
  int code;
  const char* name;
  std::optional<DType> dtype;
};
// Throws kInvalidArgument for a code that does not exist.
const OnnxElement& onnx_element(std::int64_t code);

// Reads and checks a model file. External data must lie in the folder of the model.
OnnxModel read_onnx_model(const std::string& path);
// A file that holds one TensorProto, as the test data of ONNX does (which writes the bits of
// bfloat16 as uint16).
OnnxTensor read_onnx_tensor(const std::string& path, bool u16_is_bf16 = false);

}  // namespace lamina
