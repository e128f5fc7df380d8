// Who sends what to whom.
#include "pipeline/messages.h"

#include "pipeline/shares.h"

namespace lamina::pipeline {

Ends ends(const Plan& plan, const StageGraph& graph, const Message& message) {
  const StageEdge& edge = graph.edges[static_cast<std::size_t>(message.edge)];
  const Stage& from = plan.stages[static_cast<std::size_t>(edge.from)];
  const Stage& to = plan.stages[static_cast<std::size_t>(edge.to)];
  return message.forward ? Ends{from, to} : Ends{to, from};
}

std::vector<Piece> pieces(const Ends& ends, int micro_batch) {
  std::vector<Piece> result;
  for (std::size_t p = 0; p < ends.sender.devices.size(); ++p) {
    const Samples sent = share(ends.sender, micro_batch, static_cast<int>(p));
    for (std::size_t q = 0; q < ends.receiver.devices.size(); ++q) {
      const int samples = samples_of_place(ends.receiver, static_cast<int>(q), sent);
      if (samples == 0) continue;
      result.push_back({ends.sender.devices[p], ends.receiver.devices[q], samples});
    }
  }
  return result;
}

}  // namespace lamina::pipeline
