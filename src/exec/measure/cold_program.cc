// Programs with rotating weights.
#include <algorithm>

#include "lamina/bench.h"

namespace lamina {
namespace {

constexpr std::int64_t kMaxCopies = 64;

std::int64_t weight_bytes(const Graph& graph) {
  std::int64_t bytes = 0;
  for (const Input& input : graph.inputs) {
    if (input.role == Role::kWeight && !input.value.empty()) {
      bytes += static_cast<std::int64_t>(input.value.bytes());
    }
  }
  return bytes;
}

// Equal weights may share what was made of them, by their elements: the first element of each copy
// is another, in its last bits, so that every copy is read from memory of its own. Integers, which
// may be indices, stay.
Graph with_own_weights(const Graph& graph, std::int64_t number) {
  Graph copy = graph;
  for (Input& input : copy.inputs) {
    if (input.role != Role::kWeight || input.value.empty()) continue;
    input.value = input.value.clone();
    if (traits(input.value.dtype()).is_float && input.value.bytes() > 0) {
      *input.value.data() ^= static_cast<std::byte>(number);
    }
  }
  return copy;
}

}  // namespace

ColdProgram::ColdProgram(const Graph& graph, const Device& device, const RunOptions& options,
                         std::int64_t rotate_bytes, std::unique_ptr<Program> first) {
  const std::int64_t bytes = weight_bytes(graph);
  const std::int64_t copies =
      bytes == 0 ? 1 : std::clamp((rotate_bytes + bytes - 1) / bytes, std::int64_t{1}, kMaxCopies);
  copies_.push_back(first != nullptr ? std::move(first) : device.compile(graph, options));
  for (std::int64_t i = 1; i < copies; ++i) {
    copies_.push_back(device.compile(with_own_weights(graph, i), options));
  }
}

void ColdProgram::bind(std::span<const Tensor> inputs) {
  inputs_.assign(inputs.begin(), inputs.end());
  outputs_ = copies_[0]->run(inputs);
  // Every copy plans its memory for these sizes before anything is timed.
  for (std::size_t i = 1; i < copies_.size(); ++i) copies_[i]->run_into(inputs_, outputs_);
}

void ColdProgram::run() {
  copies_[next_]->run_into(inputs_, outputs_);
  next_ = (next_ + 1) % copies_.size();
}

}  // namespace lamina
