// From plain values to the protobuf messages of ONNX.
#include <onnx/onnx_pb.h>

#include <climits>

#include "base/check.h"
#include "base/files.h"
#include "base/version.h"
#include "io/onnx_writer.h"

namespace lamina {
namespace {

constexpr std::int64_t kIrVersion = 8;  // of ONNX 1.10 to 1.12, which opsets 15 to 17 came with

void write_tensor(const std::string& name, const Tensor& value, onnx::TensorProto& proto) {
  const Tensor dense = value.dense();
  proto.set_name(name);
  proto.set_data_type(static_cast<int>(onnx_code(value.dtype())));
  for (const std::int64_t extent : dense.shape()) proto.add_dims(extent);
  proto.set_raw_data(dense.bytes() > 0 ? static_cast<const void*>(dense.data()) : "",
                     dense.bytes());
}

void write_value(const OnnxValueInfo& info, onnx::ValueInfoProto& proto) {
  proto.set_name(info.name);
  auto& type = *proto.mutable_type()->mutable_tensor_type();
  type.set_elem_type(static_cast<int>(onnx_code(*info.type.dtype)));
  auto& shape = *type.mutable_shape();
  for (const OnnxDim& dim : *info.type.shape) {
    auto& out = *shape.add_dim();
    if (dim.value) out.set_dim_value(*dim.value);
    if (!dim.name.empty()) out.set_dim_param(dim.name);
  }
}

void write_graph(const OnnxGraph& graph, onnx::GraphProto& proto);

void write_attribute(const std::string& name, const OnnxAttr& attr, onnx::AttributeProto& proto) {
  using Kind = OnnxAttr::Kind;
  proto.set_name(name);
  switch (attr.kind) {
    case Kind::kInt:
      proto.set_type(onnx::AttributeProto::INT);
      proto.set_i(attr.ints.at(0));
      return;
    case Kind::kFloat:
      proto.set_type(onnx::AttributeProto::FLOAT);
      proto.set_f(static_cast<float>(attr.floats.at(0)));
      return;
    case Kind::kText:
      proto.set_type(onnx::AttributeProto::STRING);
      proto.set_s(attr.texts.at(0));
      return;
    case Kind::kInts:
      proto.set_type(onnx::AttributeProto::INTS);
      for (const std::int64_t value : attr.ints) proto.add_ints(value);
      return;
    case Kind::kGraph:
      proto.set_type(onnx::AttributeProto::GRAPH);
      write_graph(*attr.graph, *proto.mutable_g());
      return;
    default:
      check(false, "an ONNX attribute '{}' of a kind that is never written", name);
  }
}

void write_graph(const OnnxGraph& graph, onnx::GraphProto& proto) {
  proto.set_name(graph.name);
  for (const OnnxValueInfo& input : graph.inputs) write_value(input, *proto.add_input());
  for (const OnnxValueInfo& output : graph.outputs) write_value(output, *proto.add_output());
  for (const auto& [name, value] : graph.initializers) {
    write_tensor(name, value.tensor, *proto.add_initializer());
  }
  for (const OnnxNode& node : graph.nodes) {
    onnx::NodeProto& out = *proto.add_node();
    out.set_op_type(node.op);
    out.set_name(node.name);
    for (const std::string& input : node.inputs) out.add_input(input);
    for (const std::string& output : node.outputs) out.add_output(output);
    for (const auto& [name, attr] : node.attrs) write_attribute(name, attr, *out.add_attribute());
  }
}

void add_real(const std::string& key, double value, onnx::ModelProto& proto) {
  auto& entry = *proto.add_metadata_props();
  entry.set_key(key);
  entry.set_value(fmt::format("{}", value));
}

// What 32 bits cannot hold.
void write_exact_reals(const OnnxGraph& graph, onnx::ModelProto& proto) {
  for (const auto& [name, value] : graph.initializers) {
    if (value.exact) add_real(exact_key(name), *value.exact, proto);
  }
  for (const OnnxNode& node : graph.nodes) {
    for (const auto& [name, attr] : node.attrs) {
      if (attr.kind != OnnxAttr::Kind::kFloat) continue;
      const double value = attr.floats.at(0);
      if (static_cast<double>(static_cast<float>(value)) == value) continue;
      add_real(exact_key(node.name, name), value, proto);
    }
  }
}

}  // namespace

void write_onnx_model(const std::string& path, const OnnxModel& model) {
  onnx::ModelProto proto;
  proto.set_ir_version(kIrVersion);
  proto.set_producer_name("lamina");
  proto.set_producer_version(std::string(version()));
  for (const auto& [domain, opset] : model.opsets) {
    auto& import = *proto.add_opset_import();
    import.set_domain(domain);
    import.set_version(opset);
  }
  write_graph(model.graph, *proto.mutable_graph());
  write_exact_reals(model.graph, proto);
  if (proto.ByteSizeLong() > INT_MAX) {
    fail(ErrorCode::kUnsupported, "a model of {} bytes: ONNX files hold at most 2 GiB",
         proto.ByteSizeLong());
  }
  write_file_atomically(path, proto.SerializeAsString());
}

}  // namespace lamina
