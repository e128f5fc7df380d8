// Reductions, products and normalisations as ONNX.
#include <algorithm>

#include "graph/kinds.h"
#include "io/onnx_writer.h"

namespace lamina {
namespace {

std::vector<std::int64_t> axes_of(const ExportCall& call) {
  const std::vector<int> axes = resolve_axes(call.node, "axes", call.shape().size());
  return {axes.begin(), axes.end()};
}

// Axes are an input from opset 18 on, of ReduceSum from 13 on. Over a scalar: itself.
Wires reduce(const ExportCall& call, std::string_view op) {
  const std::vector<std::int64_t> axes = axes_of(call);
  OnnxAttrs attrs{{"keepdims", onnx_integer(call.attrs().flag("keepdims") ? 1 : 0)}};
  Wires inputs{call.w.cast(call.inputs[0], call.out().dtype)};
  if (op == "ReduceSum" || call.w.opset() >= 18) {
    if (!axes.empty()) inputs.push_back(call.w.integers(axes));
  } else if (!axes.empty()) {
    attrs["axes"] = onnx_integers(axes);
  }
  return {call.w.add(op, inputs, std::move(attrs), call.out())};
}

Wires sum(const ExportCall& call) { return reduce(call, "ReduceSum"); }
Wires reduce_max(const ExportCall& call) { return reduce(call, "ReduceMax"); }
Wires reduce_min(const ExportCall& call) { return reduce(call, "ReduceMin"); }
Wires reduce_prod(const ExportCall& call) { return reduce(call, "ReduceProd"); }
Wires logsumexp(const ExportCall& call) { return reduce(call, "ReduceLogSumExp"); }
Wires mean(const ExportCall& call) {
  return traits(call.inputs[0].type.dtype).is_float ? reduce(call, "ReduceMean") : Wires{};
}

Wires cumsum(const ExportCall& call) {
  const Wire axis = call.w.reshape(call.w.integers({call.axis()}), {});
  return {call.w.add("CumSum", {call.w.cast(call.inputs[0], call.out().dtype), axis},
                     {{"exclusive", onnx_integer(call.attrs().flag("exclusive") ? 1 : 0)},
                      {"reverse", onnx_integer(call.attrs().flag("reverse") ? 1 : 0)}},
                     call.out())};
}

Wires arg_reduce(const ExportCall& call) {
  return {
      call.w.add(call.node.op.name == "argmax" ? "ArgMax" : "ArgMin", call.inputs,
                 {{"axis", onnx_integer(call.axis())},
                  {"keepdims", onnx_integer(call.attrs().flag("keepdims") ? 1 : 0)},
                  {"select_last_index", onnx_integer(call.attrs().flag("select_last") ? 1 : 0)}},
                 call.out())};
}

Wires with_axis(const ExportCall& call, std::string_view op) {
  return {call.w.add(op, call.inputs, {{"axis", onnx_integer(call.axis())}}, call.out())};
}
Wires softmax(const ExportCall& call) { return with_axis(call, "Softmax"); }
Wires log_softmax(const ExportCall& call) { return with_axis(call, "LogSoftmax"); }

Wires same_dtype(const ExportCall& call) {
  Wires inputs;
  for (const Wire& input : call.inputs) inputs.push_back(call.w.cast(input, call.out().dtype));
  return inputs;
}

Wires matmul(const ExportCall& call) {
  return {call.w.add("MatMul", same_dtype(call), {}, call.out())};
}

Wires einsum(const ExportCall& call) {
  return {call.w.add("Einsum", same_dtype(call),
                     {{"equation", onnx_text(call.attrs().text("equation"))}}, call.out())};
}

bool float_attribute(const ExportCall& call, double value) {
  return call.out().dtype != DType::kF64 || static_cast<double>(static_cast<float>(value)) == value;
}

// Over the last axes, with a gain of just their shape.
Wires layer_norm(const ExportCall& call) {
  const double epsilon = call.attrs().real("epsilon");
  const std::vector<std::int64_t> axes = axes_of(call);
  const std::size_t rank = call.shape().size();
  if (call.inputs.size() < 2 || !float_attribute(call, epsilon)) return {};
  const auto first = static_cast<std::int64_t>(rank - axes.size());
  if (axes.empty() || axes.front() != first) return {};
  const Dims normal(call.shape().begin() + first, call.shape().end());
  for (std::size_t i = 1; i < call.inputs.size(); ++i) {
    if (call.shape(i) != normal) return {};
  }
  return {call.w.add("LayerNormalization", same_dtype(call),
                     {{"axis", onnx_integer(first)}, {"epsilon", onnx_real(epsilon)}}, call.out())};
}

Wires with_epsilon(const ExportCall& call, std::string_view op) {
  const double epsilon = call.attrs().real("epsilon");
  if (!float_attribute(call, epsilon)) return {};
  return {call.w.add(op, same_dtype(call), {{"epsilon", onnx_real(epsilon)}}, call.out())};
}

Wires batch_norm(const ExportCall& call) {
  if (call.attrs().integer("axis") != 1) return {};
  return with_epsilon(call, "BatchNormalization");
}

Wires instance_norm(const ExportCall& call) {
  if (call.inputs.size() != 3) return {};
  return with_epsilon(call, "InstanceNormalization");
}

}  // namespace

std::span<const OnnxExportRule> onnx_nn_exports() {
  static const OnnxExportRule rules[] = {
      {"sum", sum},
      {"mean", mean},
      {"reduce_max", reduce_max},
      {"reduce_min", reduce_min},
      {"reduce_prod", reduce_prod},
      {"logsumexp", logsumexp},
      {"cumsum", cumsum},
      {"argmax", arg_reduce},
      {"argmin", arg_reduce},
      {"softmax", softmax},
      {"log_softmax", log_softmax},
      {"matmul", matmul},
      {"einsum", einsum},
      {"layer_norm", layer_norm},
      {"batch_norm", batch_norm},
      {"instance_norm", instance_norm},
  };
  return rules;
}

}  // namespace lamina
