// A list of names, types and shapes as JSON, then the elements.
#include "pipeline/comm/tensors.h"

#include <vector>

#include "base/check.h"
#include "base/json.h"

namespace lamina::pipeline {

void send_text(Transport& transport, int to, int tag, std::string_view text) {
  const std::uint64_t length = text.size();
  const int first = transport.send(to, tag, std::as_bytes(std::span(&length, 1)));
  const int second = transport.send(to, tag, std::as_bytes(std::span(text)));
  transport.wait(first);
  transport.wait(second);
}

std::string receive_text(Transport& transport, int from, int tag) {
  std::uint64_t length = 0;
  transport.wait(transport.receive(from, tag, std::as_writable_bytes(std::span(&length, 1))));
  std::string text(length, ' ');
  transport.wait(transport.receive(from, tag, std::as_writable_bytes(std::span(text))));
  return text;
}

void send_tensors(Transport& transport, int to, int tag, const NamedTensors& tensors) {
  Json list = Json::Array();
  std::vector<Tensor> dense;
  for (const auto& [name, tensor] : tensors) {
    dense.push_back(tensor.dense());
    Json row;
    row["name"] = name;
    row["dtype"] = traits(tensor.dtype()).name;
    row["shape"] = Json::Array(tensor.shape().begin(), tensor.shape().end());
    list.push_back(std::move(row));
  }
  send_text(transport, to, tag, list.dump());
  std::vector<int> messages;
  for (const Tensor& tensor : dense) {
    messages.push_back(transport.send(to, tag, {tensor.data(), tensor.bytes()}));
  }
  for (const int message : messages) transport.wait(message);
}

NamedTensors receive_tensors(Transport& transport, int from, int tag) {
  const Json list = Json::parse(receive_text(transport, from, tag));
  NamedTensors tensors;
  for (const Json& row : list.array()) {
    Shape shape;
    for (const Json& extent : row.at("shape").array()) shape.push_back(extent.integer());
    Tensor tensor(parse_dtype(row.at("dtype").text()), std::move(shape));
    transport.wait(transport.receive(from, tag, {tensor.data(), tensor.bytes()}));
    tensors[row.at("name").text()] = std::move(tensor);
  }
  return tensors;
}

}  // namespace lamina::pipeline
