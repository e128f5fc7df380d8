// From the protobuf messages of ONNX to plain values. The only file that sees the messages.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/check.h"
#include "base/files.h"
#include "io/onnx_model.h"
#include "io/onnx_writer.h"

namespace lamina {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxGraphDepth = 16;

// Reads messages that belong to one file. `owner` keeps the bytes alive that tensors borrow.
class ProtoReader {
 public:
  ProtoReader(std::string path, std::shared_ptr<void> owner)
      : path_(std::move(path)), owner_(std::move(owner)) {}

  OnnxTensor tensor(const onnx::TensorProto& proto) const;
  OnnxGraph graph(const onnx::GraphProto& proto, int depth) const;

 private:
  OnnxAttr attribute(const onnx::AttributeProto& proto, int depth) const;
  OnnxNode node(const onnx::NodeProto& proto, int depth) const;
  OnnxValueInfo value_info(const onnx::ValueInfoProto& proto) const;
  Tensor external(const onnx::TensorProto& proto, DType dtype, const Shape& shape) const;
  Tensor elements(const onnx::TensorProto& proto, DType dtype, const Shape& shape) const;
  Tensor borrow(const char* data, std::size_t bytes, DType dtype, const Shape& shape) const;
  std::string where(const onnx::TensorProto& proto) const {
    return fmt::format("{}: tensor '{}'", path_, proto.name());
  }

  std::string path_;
  std::shared_ptr<void> owner_;
};

// The bytes of a dense tensor, or an error: the product may not overflow.
std::size_t tensor_bytes(DType dtype, const Shape& shape, const std::string& where) {
  auto bytes = static_cast<std::size_t>(traits(dtype).block_bytes);
  for (const std::int64_t extent : shape) {
    const auto n = static_cast<std::size_t>(extent);
    require(extent >= 0, "{}: negative dimension {}", where, extent);
    require(n == 0 || bytes <= (std::size_t{1} << 46U) / n, "{}: the shape {} is too large", where,
            to_string(shape));
    bytes *= n;
  }
  return bytes;
}

Tensor ProtoReader::borrow(const char* data, std::size_t bytes, DType dtype,
                           const Shape& shape) const {
  const auto width = static_cast<std::uintptr_t>(traits(dtype).block_bytes);
  if (bytes > 0 && dtype != DType::kBool && reinterpret_cast<std::uintptr_t>(data) % width == 0) {
    // The message is never changed; tensors of a loaded model are read only.
    auto* bytes_of_message = reinterpret_cast<std::byte*>(const_cast<char*>(data));
    return {dtype, Layout::dense(shape), Buffer::wrap(bytes_of_message, bytes, owner_)};
  }
  Tensor tensor(dtype, shape);
  if (bytes > 0) std::memcpy(tensor.data(), data, bytes);
  if (dtype == DType::kBool) {
    for (std::uint8_t& value : tensor.span<std::uint8_t>()) value = value != 0 ? 1 : 0;
  }
  return tensor;
}

// External data: keys location (a path relative to the model), offset, length.
Tensor ProtoReader::external(const onnx::TensorProto& proto, DType dtype,
                             const Shape& shape) const {
  std::string location;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() != "offset" && entry.key() != "length") continue;
    const std::string& digits = entry.value();
    require(!digits.empty() && digits.size() <= 18 &&
                digits.find_first_not_of("0123456789") == std::string::npos,
            "{}: external data {} '{}' is no number", where(proto), entry.key(), digits);
    (entry.key() == "offset" ? offset : length.emplace()) = std::stoull(digits);
  }
  std::error_code error;
  const fs::path folder = fs::weakly_canonical(fs::absolute(path_).parent_path(), error);
  const fs::path file = fs::weakly_canonical(folder / location, error);
  const fs::path inside = file.lexically_relative(folder);
  require(!location.empty() && !error && !inside.empty() && *inside.begin() != "..",
          "{}: external data '{}' lies outside the folder of the model", where(proto), location);
  const std::shared_ptr<MappedFile> mapped = map_file(file.string());
  const std::size_t bytes = tensor_bytes(dtype, shape, where(proto));
  require(offset <= mapped->bytes && bytes <= mapped->bytes - offset,
          "{}: {} bytes at {} in '{}', which has {}", where(proto), bytes, offset, location,
          mapped->bytes);
  require(length.value_or(bytes) == bytes, "{}: external length {} for a shape of {} bytes",
          where(proto), *length, bytes);
  const ProtoReader reader(path_, mapped);
  return reader.borrow(reinterpret_cast<const char*>(mapped->data) + offset, bytes, dtype, shape);
}

// The bits of small types travel in int32_data.
template <class Bits>
Tensor from_bits(DType dtype, const Shape& shape, const onnx::TensorProto& proto) {
  Tensor tensor(dtype, shape);
  auto to = tensor.span<Bits>();
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = static_cast<Bits>(proto.int32_data(static_cast<int>(i)));
  }
  return tensor;
}

template <class T, class Field>
Tensor from_field(DType dtype, const Shape& shape, const Field& field) {
  return Tensor::from<T>(dtype, shape, std::span<const T>(field.data(), field.size()));
}

int typed_elements(const onnx::TensorProto& proto, DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return proto.float_data_size();
    case DType::kF64:
      return proto.double_data_size();
    case DType::kI64:
      return proto.int64_data_size();
    default:
      return proto.int32_data_size();
  }
}

Tensor ProtoReader::elements(const onnx::TensorProto& proto, DType dtype,
                             const Shape& shape) const {
  const std::size_t bytes = tensor_bytes(dtype, shape, where(proto));
  if (proto.has_raw_data()) {
    require(proto.raw_data().size() == bytes, "{}: {} bytes for a shape of {} bytes", where(proto),
            proto.raw_data().size(), bytes);
    return borrow(proto.raw_data().data(), bytes, dtype, shape);
  }
  const std::size_t count = bytes / static_cast<std::size_t>(traits(dtype).block_bytes);
  require(static_cast<std::size_t>(typed_elements(proto, dtype)) == count,
          "{}: {} elements for shape {}", where(proto), typed_elements(proto, dtype),
          to_string(shape));
  switch (dtype) {
    case DType::kF32:
      return from_field<float>(dtype, shape, proto.float_data());
    case DType::kF64:
      return from_field<double>(dtype, shape, proto.double_data());
    case DType::kI64:
      return from_field<std::int64_t>(dtype, shape, proto.int64_data());
    case DType::kI32:
      return from_bits<std::int32_t>(dtype, shape, proto);
    case DType::kF16:
    case DType::kBF16:
      return from_bits<std::uint16_t>(dtype, shape, proto);
    case DType::kBool: {
      const std::vector<std::int64_t> values(proto.int32_data().begin(), proto.int32_data().end());
      return Tensor::from_integers(dtype, shape, values);
    }
    default:
      return from_bits<std::uint8_t>(dtype, shape, proto);
  }
}

OnnxTensor ProtoReader::tensor(const onnx::TensorProto& proto) const {
  const OnnxElement& type = onnx_element(proto.data_type());
  require(!proto.has_segment(), "{}: segmented tensors are not supported", where(proto));
  require(proto.dims_size() <= 64, "{}: {} axes", where(proto), proto.dims_size());
  const Shape shape(proto.dims().begin(), proto.dims().end());
  if (!type.dtype) return {{}, type.name};
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    return {external(proto, *type.dtype, shape), {}};
  }
  return {elements(proto, *type.dtype, shape), {}};
}

OnnxAttr ProtoReader::attribute(const onnx::AttributeProto& proto, int depth) const {
  using Kind = OnnxAttr::Kind;
  OnnxAttr attr;
  require(proto.ref_attr_name().empty(), "{}: attribute '{}' refers to a function's attribute",
          path_, proto.name());
  switch (proto.type()) {
    case onnx::AttributeProto::INT:
      return {Kind::kInt, {proto.i()}, {}, {}, {}, {}};
    case onnx::AttributeProto::FLOAT:
      return {Kind::kFloat, {}, {proto.f()}, {}, {}, {}};
    case onnx::AttributeProto::STRING:
      return {Kind::kText, {}, {}, {proto.s()}, {}, {}};
    case onnx::AttributeProto::INTS:
      return {Kind::kInts, {proto.ints().begin(), proto.ints().end()}, {}, {}, {}, {}};
    case onnx::AttributeProto::FLOATS:
      return {Kind::kFloats, {}, {proto.floats().begin(), proto.floats().end()}, {}, {}, {}};
    case onnx::AttributeProto::STRINGS:
      return {Kind::kTexts, {}, {}, {proto.strings().begin(), proto.strings().end()}, {}, {}};
    case onnx::AttributeProto::TENSOR:
      attr.kind = Kind::kTensor;
      attr.tensor = tensor(proto.t());
      return attr;
    case onnx::AttributeProto::GRAPH:
      attr.kind = Kind::kGraph;
      attr.graph = std::make_shared<OnnxGraph>(graph(proto.g(), depth + 1));
      return attr;
    default:
      return attr;
  }
}

OnnxNode ProtoReader::node(const onnx::NodeProto& proto, int depth) const {
  OnnxNode node{proto.op_type(), proto.domain(), proto.name(), {}, {}, {}};
  if (node.domain == "ai.onnx") node.domain.clear();
  node.inputs = {proto.input().begin(), proto.input().end()};
  node.outputs = {proto.output().begin(), proto.output().end()};
  for (const auto& attr : proto.attribute()) {
    const bool fresh = node.attrs.emplace(attr.name(), attribute(attr, depth)).second;
    require(fresh, "{}: node '{}' ({}) has the attribute '{}' twice", path_, node.name, node.op,
            attr.name());
  }
  return node;
}

OnnxValueInfo ProtoReader::value_info(const onnx::ValueInfoProto& proto) const {
  OnnxValueInfo info{proto.name(), {}};
  const onnx::TypeProto& type = proto.type();
  info.type.is_tensor = type.has_tensor_type();
  if (!info.type.is_tensor) {
    info.type.text = type.has_sequence_type()   ? "sequence"
                     : type.has_optional_type() ? "optional"
                     : type.has_map_type()      ? "map"
                                                : "unknown";
    return info;
  }
  const OnnxElement& element = onnx_element(type.tensor_type().elem_type());
  info.type.text = element.name;
  info.type.dtype = element.dtype;
  if (!type.tensor_type().has_shape()) return info;
  info.type.shape.emplace();
  for (const auto& dim : type.tensor_type().shape().dim()) {
    OnnxDim& out = info.type.shape->emplace_back();
    if (dim.has_dim_value()) out.value = dim.dim_value();
    if (dim.has_dim_param()) out.name = dim.dim_param();
    require(out.value.value_or(0) >= 0, "{}: '{}' has the dimension {}", path_, info.name,
            out.value.value_or(0));
  }
  require(info.type.shape->size() <= 64, "{}: '{}' has {} axes", path_, info.name,
          info.type.shape->size());
  return info;
}

OnnxGraph ProtoReader::graph(const onnx::GraphProto& proto, int depth) const {
  require(depth <= kMaxGraphDepth, "{}: graphs nest deeper than {}", path_, kMaxGraphDepth);
  OnnxGraph graph;
  graph.name = proto.name();
  std::set<std::string> names;
  for (const auto& input : proto.input()) {
    graph.inputs.push_back(value_info(input));
    require(names.insert(input.name()).second, "{}: two inputs are called '{}'", path_,
            input.name());
  }
  for (const auto& output : proto.output()) graph.outputs.push_back(value_info(output));
  for (const auto& tensor_proto : proto.initializer()) {
    const bool fresh = graph.initializers.emplace(tensor_proto.name(), tensor(tensor_proto)).second;
    require(fresh, "{}: two initializers are called '{}'", path_, tensor_proto.name());
  }
  if (proto.sparse_initializer_size() > 0) {
    fail(ErrorCode::kUnsupported, "{}: sparse initializers are not supported", path_);
  }
  for (const auto& node_proto : proto.node()) graph.nodes.push_back(node(node_proto, depth));
  return graph;
}

template <class Message>
std::shared_ptr<Message> parse_file(const std::string& path) {
  const std::shared_ptr<MappedFile> file = map_file(path);
  if (file->bytes > INT_MAX) {
    fail(ErrorCode::kUnsupported, "{}: a protobuf of {} bytes (at most 2 GiB)", path, file->bytes);
  }
  auto message = std::make_shared<Message>();
  require(message->ParsePartialFromArray(file->data, static_cast<int>(file->bytes)),
          "{}: not a valid ONNX protobuf", path);
  return message;
}

using ExactReals = std::map<std::string, double>;

ExactReals read_exact_reals(const onnx::ModelProto& proto, const std::string& path) {
  ExactReals reals;
  for (const auto& entry : proto.metadata_props()) {
    if (!entry.key().starts_with(exact_key(""))) continue;
    const std::string& text = entry.value();
    double value = 0.0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    require(error == std::errc() && end == text.data() + text.size() && std::isfinite(value),
            "{}: metadata '{}' is no number: '{}'", path, entry.key(), text);
    reals[entry.key()] = value;
  }
  return reals;
}

// Puts the reals in place of what they round to; a real that rounds to something else is refused.
void apply_exact_reals(const ExactReals& reals, const std::string& path, OnnxGraph& graph) {
  if (reals.empty()) return;
  for (auto& [name, value] : graph.initializers) {
    const auto found = reals.find(exact_key(name));
    if (found == reals.end()) continue;
    const bool scalar = value.unsupported.empty() && value.tensor.shape().empty();
    const std::vector<double> real{found->second};
    require(scalar && Tensor::from_doubles(value.tensor.dtype(), {}, real).to_doubles() ==
                          value.tensor.to_doubles(),
            "{}: metadata '{}' is not what the initializer rounds", path, found->first);
    value.exact = found->second;
  }
  for (OnnxNode& node : graph.nodes) {
    for (auto& [name, attr] : node.attrs) {
      const auto found = reals.find(exact_key(node.name, name));
      if (found == reals.end()) continue;
      require(attr.kind == OnnxAttr::Kind::kFloat &&
                  static_cast<double>(static_cast<float>(found->second)) == attr.floats.at(0),
              "{}: metadata '{}' is not what the attribute rounds", path, found->first);
      attr.floats[0] = found->second;
    }
  }
}

}  // namespace

// The element types of TensorProto.DataType, in order.
const OnnxElement& onnx_element(std::int64_t code) {
  static const OnnxElement types[] = {{0, "undefined", {}},
                                      {1, "float", DType::kF32},
                                      {2, "uint8", DType::kU8},
                                      {3, "int8", DType::kI8},
                                      {4, "uint16", {}},
                                      {5, "int16", {}},
                                      {6, "int32", DType::kI32},
                                      {7, "int64", DType::kI64},
                                      {8, "string", {}},
                                      {9, "bool", DType::kBool},
                                      {10, "float16", DType::kF16},
                                      {11, "double", DType::kF64},
                                      {12, "uint32", {}},
                                      {13, "uint64", {}},
                                      {14, "complex64", {}},
                                      {15, "complex128", {}},
                                      {16, "bfloat16", DType::kBF16},
                                      {17, "float8e4m3fn", {}},
                                      {18, "float8e4m3fnuz", {}},
                                      {19, "float8e5m2", {}},
                                      {20, "float8e5m2fnuz", {}},
                                      {21, "uint4", {}},
                                      {22, "int4", {}},
                                      {23, "float4e2m1", {}}};
  for (const OnnxElement& type : types) {
    if (type.code == code) return type;
  }
  fail(ErrorCode::kInvalidArgument, "ONNX: element type {} does not exist", code);
}

OnnxModel read_onnx_model(const std::string& path) {
  const auto proto = parse_file<onnx::ModelProto>(path);
  require(proto->has_graph(), "{}: no graph in the ONNX model", path);
  OnnxModel model;
  for (const auto& import : proto->opset_import()) {
    const std::string domain = import.domain() == "ai.onnx" ? "" : import.domain();
    model.opsets[domain] = import.version();
  }
  if (model.opsets.empty()) model.opsets[""] = 1;  // IR versions below 3 carry no opset.
  model.graph = ProtoReader(path, proto).graph(proto->graph(), 0);
  apply_exact_reals(read_exact_reals(*proto, path), path, model.graph);
  return model;
}

OnnxTensor read_onnx_tensor(const std::string& path, bool u16_is_bf16) {
  const auto proto = parse_file<onnx::TensorProto>(path);
  if (u16_is_bf16 && proto->data_type() == onnx::TensorProto::UINT16) {
    proto->set_data_type(onnx::TensorProto::BFLOAT16);
  }
  return ProtoReader(path, proto).tensor(*proto);
}

}  // namespace lamina
