// Numbers of tensors on edges.
#include "pipeline/run/edges.h"

#include <algorithm>

#include "base/check.h"
#include "lamina/train.h"

namespace lamina::pipeline {
namespace {

const std::vector<EdgeTensor>& tensors_of(const PipelineProgram& program, int edge) {
  return program.tensors[static_cast<std::size_t>(edge)];
}

}  // namespace

std::vector<std::size_t> places_of(const std::vector<EdgePlace>& list, int edge) {
  std::vector<std::size_t> places;
  for (std::size_t k = 0; k < list.size(); ++k) {
    if (list[k].edge == edge) places.push_back(k);
  }
  return places;
}

Tags tags_of(const Plan& plan, const PipelineProgram& program, int edge, bool forward) {
  std::int64_t tag = kFirstTagOfEdges;
  for (const bool direction : {true, false}) {
    for (int e = 0; e < static_cast<int>(program.tensors.size()); ++e) {
      const StageEdge& ends = program.graph.edges[static_cast<std::size_t>(e)];
      const int receiver = direction ? ends.to : ends.from;
      const int micro_batches =
          plan.batch / plan.stages[static_cast<std::size_t>(receiver)].micro_batch;
      if (e == edge && direction == forward) return {static_cast<int>(tag), micro_batches};
      const auto tensors = static_cast<std::int64_t>(tensors_of(program, e).size());
      tag += std::max<std::int64_t>(1, tensors) * micro_batches;
      require(tag < (1 << 30), "the plan has more than 2^30 messages in an iteration");
    }
  }
  fail(ErrorCode::kInternal, "there is no edge {}", edge);
}

std::vector<Expected> expected(const GraphComputation& network, const PipelineProgram& program,
                               const Stage& receiver, int edge, bool forward) {
  const std::int64_t share = receiver.micro_batch / static_cast<int>(receiver.devices.size());
  std::vector<Expected> result;
  for (const EdgeTensor& tensor : tensors_of(program, edge)) {
    if (!forward && !tensor.gradient) continue;
    const Type& type = network.graph.type(tensor.value);
    result.push_back(
        {tensor, type.dtype, evaluate(type.shape, {{std::string(train::kSamples), share}})});
  }
  return result;
}

int slots(const Plan& plan, const Stage& sender, const Stage& receiver, bool forward) {
  // A gradient comes back for what is in flight here.
  if (!forward) return receiver.in_flight;
  const int sent = sender.in_flight * sender.micro_batch;
  const int waiting = (sent + receiver.micro_batch - 1) / receiver.micro_batch;
  return splits_backward(plan) ? receiver.in_flight + waiting
                               : std::max(receiver.in_flight, waiting);
}

}  // namespace lamina::pipeline
