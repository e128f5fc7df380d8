// Messages between stages: a tensor, or its gradient, of one micro-batch of the sender, in pieces
// from every device of the sender to every device of the receiver that works on some of its
// samples.
#pragma once

#include <vector>

#include "lamina/schedule.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {

struct Message {
  bool forward = true;
  int edge = 0;
  int micro_batch = 0;  // of the sender

  bool operator==(const Message&) const = default;
};
inline Message message_of(const Action& action) {
  return {action.kind == Action::Kind::kSendForward || action.kind == Action::Kind::kReceiveForward,
          action.edge, action.micro_batch};
}

struct Piece {
  int from_rank = 0;
  int to_rank = 0;
  int samples = 0;
};

// The stages at the two ends.
struct Ends {
  const Stage& sender;
  const Stage& receiver;
};
Ends ends(const Plan& plan, const StageGraph& graph, const Message& message);

// Sorted by sender, then by receiver.
std::vector<Piece> pieces(const Ends& ends, int micro_batch);

}  // namespace lamina::pipeline
