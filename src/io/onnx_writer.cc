// Nodes, constants and shapes of an ONNX graph that is being built.
#include "io/onnx_writer.h"

#include <cmath>

#include "base/check.h"
#include "graph/kinds.h"
#include "io/onnx_rules.h"

namespace lamina {
namespace {

const Type kOneInteger{DType::kI64, {1}, {}};

}  // namespace

OnnxAttr onnx_integer(std::int64_t value) {
  return {OnnxAttr::Kind::kInt, {value}, {}, {}, {}, {}};
}
OnnxAttr onnx_integers(std::vector<std::int64_t> values) {
  return {OnnxAttr::Kind::kInts, std::move(values), {}, {}, {}, {}};
}
OnnxAttr onnx_real(double value) { return {OnnxAttr::Kind::kFloat, {}, {value}, {}, {}, {}}; }
OnnxAttr onnx_text(std::string value) {
  return {OnnxAttr::Kind::kText, {}, {}, {std::move(value)}, {}, {}};
}
OnnxAttr onnx_graph(OnnxGraph graph) {
  OnnxAttr attr;
  attr.kind = OnnxAttr::Kind::kGraph;
  attr.graph = std::make_shared<const OnnxGraph>(std::move(graph));
  return attr;
}

std::int64_t onnx_code(DType dtype) {
  constexpr std::int64_t kLastCode = 16;
  for (std::int64_t code = 1; code <= kLastCode; ++code) {
    if (onnx_element(code).dtype == dtype) return code;
  }
  fail(ErrorCode::kUnsupported, "ONNX has no element type {}", traits(dtype).name);
}

std::string OnnxWriter::unique(const std::string& wanted) {
  const std::string base = wanted.empty() ? "value" : wanted;
  std::string name = base;
  for (int n = 1; !names_.insert(name).second; ++n) name = fmt::format("{}_{}", base, n);
  return name;
}

Wires OnnxWriter::add(std::string_view op, const Wires& inputs, OnnxAttrs attrs,
                      const std::vector<Type>& types) {
  OnnxNode node;
  node.op = std::string(op);
  for (const Wire& wire : inputs) node.inputs.push_back(wire.name);
  Wires outputs;
  for (const Type& type : types) {
    outputs.push_back({unique(node.op), type});
    node.outputs.push_back(outputs.back().name);
  }
  node.name = outputs.front().name;
  node.attrs = std::move(attrs);
  graph.nodes.push_back(std::move(node));
  return outputs;
}

Wire OnnxWriter::constant(const Tensor& value) {
  onnx_code(value.dtype());
  const std::string name = unique("constant");
  initializers[name] = {value.dense(), {}, {}};
  return {name, {value.dtype(), Dims(value.shape().begin(), value.shape().end()), {}}};
}

Wire OnnxWriter::scalar(double value, DType dtype) {
  const Tensor rounded = Tensor::from_doubles(dtype, {}, std::vector<double>{value});
  const Wire wire = constant(rounded);
  if (traits(dtype).is_float && std::isfinite(value) && rounded.to_doubles()[0] != value) {
    initializers[wire.name].exact = value;
  }
  return wire;
}

Wire OnnxWriter::integers(const std::vector<std::int64_t>& values) {
  const Shape shape{static_cast<std::int64_t>(values.size())};
  return constant(Tensor::from_integers(DType::kI64, shape, values));
}

void OnnxWriter::add_size(const std::string& name, const std::string& input, std::int64_t axis) {
  sizes_.emplace(name, std::pair{input, axis});
}

Wire OnnxWriter::size(const std::string& name) {
  const auto found = sizes_.find(name);
  if (found == sizes_.end()) {
    fail(ErrorCode::kUnsupported, "size '{}' is no axis of an input: ONNX cannot know it", name);
  }
  const auto& [input, axis] = found->second;
  return add("Shape", {{input, {}}},
             {{"start", onnx_integer(axis)}, {"end", onnx_integer(axis + 1)}}, kOneInteger);
}

// ONNX divides toward zero, which is the floor where the numerator is not negative.
Wire OnnxWriter::factor(const Dim::Factor& factor) {
  if (factor.kind == Dim::Factor::Kind::kSize) return size(factor.name);
  const bool up = factor.kind == Dim::Factor::Kind::kCeilDiv;
  const Dim& divisor = factor.operands[1];
  const Dim numerator = up ? factor.operands[0] + divisor - Dim(1) : factor.operands[0];
  if (lower_bound(numerator).value_or(-1) < 0) {
    fail(ErrorCode::kUnsupported, "the quotient {} / {} may be negative", numerator.to_string(),
         divisor.to_string());
  }
  return add("Div", {dim(numerator), dim(divisor)}, {}, kOneInteger);
}

Wire OnnxWriter::dim(const Dim& dim) {
  if (dim.is_constant()) return integers({dim.constant_part()});
  Wire sum;
  for (const Dim::Term& term : dim.terms()) {
    Wire product;
    for (const Dim::Factor& each : term.factors) {
      const Wire next = factor(each);
      product = product.name.empty() ? next : add("Mul", {product, next}, {}, kOneInteger);
    }
    if (term.coefficient != 1) {
      product = add("Mul", {product, integers({term.coefficient})}, {}, kOneInteger);
    }
    sum = sum.name.empty() ? product : add("Add", {sum, product}, {}, kOneInteger);
  }
  if (dim.constant_part() == 0) return sum;
  return add("Add", {sum, integers({dim.constant_part()})}, {}, kOneInteger);
}

Wire OnnxWriter::shape(const Dims& dims) {
  if (const std::optional<Shape> known = constant_shape(dims)) return integers(*known);
  if (dims.size() == 1) return dim(dims[0]);
  Wires parts;
  for (const Dim& each : dims) parts.push_back(dim(each));
  return add("Concat", parts, {{"axis", onnx_integer(0)}},
             {DType::kI64, {static_cast<std::int64_t>(dims.size())}, {}});
}

Wire OnnxWriter::cast(const Wire& x, DType dtype) {
  if (x.type.dtype == dtype) return x;
  return add("Cast", {x}, {{"to", onnx_integer(onnx_code(dtype))}}, {dtype, x.type.shape, {}});
}

Wire OnnxWriter::reshape(const Wire& x, const Dims& dims) {
  if (x.type.shape == dims) return x;
  OnnxAttrs attrs;
  // 0 copies an axis unless this says that it means 0.
  for (const Dim& dim : dims) {
    if (dim == Dim(0)) attrs["allowzero"] = onnx_integer(1);
  }
  return add("Reshape", {x, shape(dims)}, attrs, {x.type.dtype, dims, {}});
}

Wire OnnxWriter::expand(const Wire& x, const Dims& dims) {
  if (x.type.shape == dims) return x;
  return add("Expand", {x, shape(dims)}, {}, {x.type.dtype, dims, {}});
}

Wire OnnxWriter::transpose(const Wire& x, const std::vector<std::int64_t>& axes) {
  Dims dims;
  for (const std::int64_t axis : axes) dims.push_back(x.type.shape[static_cast<std::size_t>(axis)]);
  return add("Transpose", {x}, {{"perm", onnx_integers(axes)}}, {x.type.dtype, dims, {}});
}

Wire OnnxWriter::binary(std::string_view op, const Wire& x, const Wire& y) {
  return add(op, {x, y}, {}, {x.type.dtype, broadcast_shapes(op, x.type.shape, y.type.shape), {}});
}

std::vector<std::int64_t> ExportCall::numbers(std::string_view name, std::size_t count,
                                              std::int64_t fallback) const {
  const Dims& dims = attrs().dims(name);
  if (dims.empty()) return std::vector<std::int64_t>(count, fallback);
  if (const std::optional<Shape> known = constant_shape(dims)) return *known;
  refuse(fmt::format("{} = {} must be numbers in ONNX", name, to_string(dims)));
}

std::int64_t ExportCall::axis() const {
  return resolve_axis(node.op.name, attrs().integer("axis"), shape().size());
}

void ExportCall::refuse(const std::string& why) const {
  fail(ErrorCode::kUnsupported, "{}: {}", node.op.name, why);
}

}  // namespace lamina
