// Who sends what to whom.
#include "pipeline/messages.h"

#include <algorithm>
#include <map>

#include "pipeline/shares.h"

namespace lamina::pipeline {

Ends ends(const Plan& plan, const StageGraph& graph, const Message& message) {
  const StageEdge& edge = graph.edges[static_cast<std::size_t>(message.edge)];
  const Stage& from = plan.stages[static_cast<std::size_t>(edge.from)];
  const Stage& to = plan.stages[static_cast<std::size_t>(edge.to)];
  return message.forward ? Ends{from, to} : Ends{to, from};
}

std::vector<Piece> pieces(const Ends& ends, int micro_batch) {
  const Stage& to = ends.receiver;
  const int size = to.micro_batch / static_cast<int>(to.devices.size());
  std::vector<Piece> result;
  for (std::size_t p = 0; p < ends.sender.devices.size(); ++p) {
    const Samples sent = share(ends.sender, micro_batch, static_cast<int>(p));
    std::map<int, int> samples;  // by place of the receiver
    for (int begin = sent.begin; begin < sent.end;) {
      const int end = std::min(sent.end, (begin / size + 1) * size);  // of one receiver's share
      samples[begin % to.micro_batch / size] += end - begin;
      begin = end;
    }
    for (const auto& [place, count] : samples) {
      result.push_back(
          {ends.sender.devices[p], to.devices[static_cast<std::size_t>(place)], count});
    }
  }
  return result;
}

}  // namespace lamina::pipeline
