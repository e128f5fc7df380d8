// Building an ONNX graph: nodes, constants, shapes as tensors, and the rules by operator.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/op_def.h"
#include "io/onnx_model.h"

namespace lamina {

// A value of the ONNX graph.
struct Wire {
  std::string name;
  Type type;
};
using Wires = std::vector<Wire>;

using OnnxAttrs = std::map<std::string, OnnxAttr, std::less<>>;
OnnxAttr onnx_integer(std::int64_t value);
OnnxAttr onnx_integers(std::vector<std::int64_t> values);
OnnxAttr onnx_real(double value);
OnnxAttr onnx_text(std::string value);
OnnxAttr onnx_graph(OnnxGraph graph);
// The code of TensorProto.DataType. Throws kUnsupported for packed types.
std::int64_t onnx_code(DType dtype);

// Adds nodes to one ONNX graph; constants and names belong to the whole model.
class OnnxWriter {
 public:
  explicit OnnxWriter(int opset) : opset_(opset) {}

  int opset() const { return opset_; }
  // What was added needs operators of this opset at least.
  void need(int opset) { needed_ = std::max(needed_, opset); }
  int needed() const { return needed_; }

  // `wanted`, or that with a number behind it.
  std::string unique(const std::string& wanted);
  // One node; outputs have the given types.
  Wires add(std::string_view op, const Wires& inputs, OnnxAttrs attrs,
            const std::vector<Type>& types);
  Wire add(std::string_view op, const Wires& inputs, OnnxAttrs attrs, const Type& type) {
    return add(op, inputs, std::move(attrs), std::vector<Type>{type}).front();
  }
  Wire constant(const Tensor& value);
  Wire scalar(double value, DType dtype);
  Wire integers(const std::vector<std::int64_t>& values);
  // i64[n]: the dims, computed from the shapes of inputs where they name sizes.
  Wire shape(const Dims& dims);
  Wire cast(const Wire& x, DType dtype);
  Wire reshape(const Wire& x, const Dims& shape);
  Wire expand(const Wire& x, const Dims& shape);
  Wire transpose(const Wire& x, const std::vector<std::int64_t>& axes);
  // An element-wise operator of operands of one dtype.
  Wire binary(std::string_view op, const Wire& x, const Wire& y);

  // Where a named size can be read: an axis of an input.
  void add_size(const std::string& name, const std::string& input, std::int64_t axis);

  OnnxGraph graph;                                 // the nodes so far
  std::map<std::string, OnnxTensor> initializers;  // of the whole model

 private:
  Wire dim(const Dim& dim);
  Wire factor(const Dim::Factor& factor);
  Wire size(const std::string& name);

  int opset_;
  int needed_ = 0;
  std::set<std::string> names_;
  std::map<std::string, std::pair<std::string, std::int64_t>> sizes_;
};

// One Lamina node while it is written.
struct ExportCall {
  NodeView node;
  const Wires& inputs;
  const std::vector<Type>& types;  // of the outputs
  OnnxWriter& w;

  const Attrs& attrs() const { return node.attrs; }
  const Type& out() const { return types.front(); }
  const Dims& shape(std::size_t i = 0) const { return inputs[i].type.shape; }
  // The attribute `name` (a list) with one number per axis; absent: `fallback` for all.
  std::vector<std::int64_t> numbers(std::string_view name, std::size_t count,
                                    std::int64_t fallback) const;
  // The axis attribute as 0 <= axis < rank of input 0.
  std::int64_t axis() const;

  // Throws kUnsupported: "shift_left: ...".
  [[noreturn]] void refuse(const std::string& why) const;
};

// Writes a node. An empty answer says that this form of the operator has no counterpart; it is
// then expanded, or refused.
using OnnxExport = Wires (*)(const ExportCall&);

struct OnnxExportRule {
  std::string_view op;
  OnnxExport write;
};

std::span<const OnnxExportRule> onnx_elementwise_exports();
std::span<const OnnxExportRule> onnx_move_exports();
std::span<const OnnxExportRule> onnx_nn_exports();
std::span<const OnnxExportRule> onnx_window_exports();

// Keys of the metadata that says which reals the rounded numbers of a model were: of an
// initializer, of an attribute of a node.
inline std::string exact_key(const std::string& name) { return "lamina.real:" + name; }
inline std::string exact_key(const std::string& node, const std::string& attr) {
  return exact_key(node + ":" + attr);
}

// Serialises and writes a model (a single file below 2 GiB).
void write_onnx_model(const std::string& path, const OnnxModel& model);

}  // namespace lamina
