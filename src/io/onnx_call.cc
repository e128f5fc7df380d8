// Reading the inputs and attributes of one node.
#include "io/onnx_rules.h"

namespace lamina {

const OnnxAttr* OnnxCall::attr(std::string_view name, OnnxAttr::Kind kind) const {
  const auto found = node.attrs.find(name);
  if (found == node.attrs.end()) return nullptr;
  require(found->second.kind == kind, "the attribute '{}' is of another type than expected", name);
  return &found->second;
}

const Item& OnnxCall::in(std::size_t i) const {
  require(has(i), "input {} is missing", i);
  if (inputs[i].list) refuse("input {} is a sequence of tensors", i);
  return inputs[i];
}

std::int64_t OnnxCall::integer(std::string_view name, std::int64_t fallback) const {
  const OnnxAttr* found = attr(name, OnnxAttr::Kind::kInt);
  return found == nullptr ? fallback : found->ints.at(0);
}

double OnnxCall::real(std::string_view name, double fallback) const {
  const OnnxAttr* found = attr(name, OnnxAttr::Kind::kFloat);
  // Attributes are f32: a default written in decimal is that of the operator's definition.
  return found == nullptr ? static_cast<double>(static_cast<float>(fallback)) : found->floats.at(0);
}

std::string OnnxCall::text(std::string_view name, std::string_view fallback) const {
  const OnnxAttr* found = attr(name, OnnxAttr::Kind::kText);
  return found == nullptr ? std::string(fallback) : found->texts.at(0);
}

std::vector<std::int64_t> OnnxCall::integers(std::string_view name) const {
  const OnnxAttr* found = attr(name, OnnxAttr::Kind::kInts);
  return found == nullptr ? std::vector<std::int64_t>{} : found->ints;
}

std::vector<double> OnnxCall::reals(std::string_view name) const {
  const OnnxAttr* found = attr(name, OnnxAttr::Kind::kFloats);
  return found == nullptr ? std::vector<double>{} : found->floats;
}

std::vector<std::string> OnnxCall::texts(std::string_view name) const {
  const OnnxAttr* found = attr(name, OnnxAttr::Kind::kTexts);
  return found == nullptr ? std::vector<std::string>{} : found->texts;
}

Tensor OnnxCall::tensor(std::string_view name) const {
  const OnnxAttr* found = attr(name, OnnxAttr::Kind::kTensor);
  require(found != nullptr, "the attribute '{}' is missing", name);
  if (!found->tensor.unsupported.empty()) {
    refuse("the attribute '{}' is of type {}", name, found->tensor.unsupported);
  }
  return found->tensor.tensor;
}

const OnnxGraph& OnnxCall::graph(std::string_view name) const {
  const OnnxAttr* found = attr(name, OnnxAttr::Kind::kGraph);
  require(found != nullptr, "the attribute '{}' is missing", name);
  return *found->graph;
}

namespace {

std::string what(const OnnxCall& call, std::string_view name) {
  const std::string& shown =
      call.node.name.empty() && !call.node.outputs.empty() ? call.node.outputs[0] : call.node.name;
  return fmt::format("'{}' of {} '{}'", name, call.node.op, shown);
}

}  // namespace

Dims OnnxCall::sizes(std::size_t i, std::string_view name) const {
  if (has(i)) return b.sizes(in(i), what(*this, name));
  const std::vector<std::int64_t> values = integers(name);
  return {values.begin(), values.end()};
}

std::vector<std::int64_t> OnnxCall::known_integers(std::size_t i, std::string_view name) const {
  return has(i) ? b.integers(in(i), what(*this, name)) : integers(name);
}

Tensor OnnxCall::known(std::size_t i, std::string_view name) const {
  return b.known(in(i), what(*this, name));
}

int OnnxCall::axis(std::int64_t axis, std::size_t rank) const {
  const auto r = static_cast<std::int64_t>(rank);
  require(axis >= -r && axis < r, "axis {} is outside a tensor of rank {}", axis, rank);
  return static_cast<int>(axis < 0 ? axis + r : axis);
}

}  // namespace lamina
