// Schedules of pipeline training: what every rank does in one iteration, as a list of actions in
// order; a check that no two of them wait for each other; and a simulator of discrete events that
// says when each of them happens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// A pass over one micro-batch of a stage, or a message. Sends do not wait. A rank waits at a
// receive, which stands before the first pass that needs what comes.
struct Action {
  enum class Kind : std::uint8_t {
    kForward,          // F
    kBackward,         // B: both gradients
    kInputGradient,    // I: of a split backward pass the first part,
    kWeightGradient,   // W: and the second
    kSendForward,      // SF
    kReceiveForward,   // RF
    kSendBackward,     // SB: the gradient of what came over the edge
    kReceiveBackward,  // RB
    kReduce,           // R: sums the gradients over the stage's devices
    kUpdate,           // U: the optimiser
  };
  Kind kind = Kind::kForward;
  int stage = 0;         // of this rank
  int micro_batch = -1;  // of a message: of its sender; -1: kReduce, kUpdate
  int edge = -1;         // of a message: index into stage_edges()

  bool operator==(const Action&) const = default;
};

// By rank: device d of the cluster is rank d. Ranks without a stage do nothing.
struct Schedule {
  std::vector<std::vector<Action>> ranks;

  bool operator==(const Schedule&) const = default;
};

// The schedule of a plan. Throws kInvalidArgument for one that is not valid, and for stages that
// share devices with too few micro-batches in flight to take turns. Every stage runs what is ready,
// backward passes before forward passes before weight gradients, with at most `in_flight`
// micro-batches; what is ready when follows from the costs of the stages.
Schedule make_schedule(const Computation& computation, const Cluster& cluster, const Plan& plan);

// A line for each rank, "0: RF1.0:0 F1.0 SF1.0:2 ..." (grammar: docs/formats.md). Parsing throws
// kInvalidArgument that names `source`, the line, and what was expected.
std::string print_schedule(const Schedule& schedule);
Schedule parse_schedule(std::string_view text, std::string_view source);

// Sorts actions and messages topologically. Throws kInvalidArgument that names the actions which
// wait for each other, a message without its other side or sent twice, a pass that is missing, done
// twice or comes before what it needs, and a rank with more micro-batches in flight than the plan
// allows.
void check_schedule(const Computation& computation, const Plan& plan, const Schedule& schedule);

// Seconds since the iteration began.
struct TimedAction {
  Action action;
  double start_s = 0.0;  // of a receive: when the rank began to wait
  double end_s = 0.0;
};
struct MemoryPoint {
  double time_s = 0.0;
  double bytes = 0.0;  // held from then on
};
struct Simulated {
  double iteration_s = 0.0;
  double bubble = 0.0;                           // share of all ranks' time: no pass, no update
  std::vector<std::vector<TimedAction>> ranks;   // sends, which take no time of a rank, left out
  std::vector<std::vector<MemoryPoint>> memory;  // by rank
  std::vector<double> peak_bytes;                // by rank
  std::vector<int> peak_in_flight;               // by stage, in micro-batches
};
struct SimulateOptions {
  bool links = true;  // false: messages arrive at once
};
// Messages go through the links of their devices (of their nodes, between nodes) one after the
// other, in the order in which they are sent. Throws what validate() and check_schedule() throw.
Simulated simulate(const Computation& computation, const Cluster& cluster, const Plan& plan,
                   const Schedule& schedule, const SimulateOptions& options = {});

// For chrome://tracing and Perfetto: a row for each rank.
std::string chrome_trace(const Plan& plan, const Simulated& simulated);
// Ranks by time, a colour for each micro-batch, and under each rank the memory that it holds.
std::string schedule_svg(const Plan& plan, const Simulated& simulated);

}  // namespace lamina::pipeline
