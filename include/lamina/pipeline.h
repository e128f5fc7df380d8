// Graph pipeline parallelism (GraphPipe, arXiv:2406.17145): a network as a planner sees it, the
// machines it runs on, and plans that cut it into a directed acyclic graph of stages.
//
// Units: seconds, bytes, samples. Doubles hold bytes too: profiles give fractions of a sample.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/device.h"
#include "lamina/graph.h"
#include "lamina/train.h"

namespace lamina::pipeline {

// One operator of a network. A pass over n samples takes fixed_s + n times its rate.
struct Operator {
  std::string name;
  double forward_s = 0.0;          // a sample
  double input_gradient_s = 0.0;   // a sample: the gradient with respect to what came in
  double weight_gradient_s = 0.0;  // a sample: the gradient with respect to its parameters
  double fixed_s = 0.0;            // a pass that takes any time, whatever the number of samples
  double parameter_bytes = 0.0;
  double saved_bytes = 0.0;  // a sample: kept from its forward to its backward pass, inputs apart
  double split_bytes = 0.0;  // a sample: kept besides while its weight gradient is still to come
  double workspace_bytes = 0.0;  // a sample: needed only while it runs
  // Whatever the samples: packs of its parameters, and of its workspace what does not grow.
  double fixed_bytes = 0.0;
  double update_s = 0.0;  // an iteration: the optimiser's step

  // What of a pass with this rate does not depend on the samples, and all of it.
  double fixed_of(double rate) const { return rate > 0.0 ? fixed_s : 0.0; }
  double pass_s(double rate, double samples) const { return fixed_of(rate) + samples * rate; }

  bool operator==(const Operator&) const = default;
};

// What goes from one operator to another; its gradient comes back. Several edges of one operator
// carry the same tensor: a stage receives it once.
struct Edge {
  int from = 0;
  int to = 0;
  double bytes = 0.0;  // a sample

  bool operator==(const Edge&) const = default;
};

// A network. Edges go from smaller to larger indices of operators.
struct Computation {
  std::string name;
  std::vector<Operator> operators;
  std::vector<Edge> edges;
  double optimizer_ratio = 2.0;  // bytes of optimiser state per byte of parameters; AdamW: 2

  bool operator==(const Computation&) const = default;
};

// Throws kInvalidArgument that names the operator or edge: an edge that goes back or leaves the
// list, a cost that is negative or no number.
void validate(const Computation& computation);

// Reads our JSON (docs/formats.md), a `graph.txt` of PipeDream's profiler, whose times and sizes
// are those of `batch` samples, or Piper's JSON (its operators without tensor parallelism and
// recomputation). Throws kInvalidArgument that names file, place, and what was expected.
Computation load_computation(const std::string& path, double batch = 1.0);
Computation parse_computation(std::string_view text, std::string_view source, double batch = 1.0);
std::string to_json(const Computation& computation);

struct DeviceSpec {
  double memory_bytes = 0.0;
  double speed = 1.0;  // times of operators are divided by it
  int node = 0;

  bool operator==(const DeviceSpec&) const = default;
};
// Of one device, or of a node towards other nodes. Each way has its own, and messages wait for each
// other.
struct Link {
  double bytes_per_s = 0.0;
  double latency_s = 0.0;

  bool operator==(const Link&) const = default;
};
struct Cluster {
  std::vector<DeviceSpec> devices;
  Link inside;   // of a device, towards devices of its node
  Link between;  // of a node, shared by its devices

  bool operator==(const Cluster&) const = default;
};

// Equal devices in nodes of `per_node`, with one kind of link.
Cluster uniform_cluster(int devices, double memory_bytes, const Link& link, int per_node);
// Throws kInvalidArgument that names the device or link: no devices, memory, speed or bandwidth
// that is not positive, a latency below 0.
void validate(const Cluster& cluster);
// JSON (docs/formats.md). Throw kInvalidArgument that names `source` (the file), the place and what
// was expected; load_...() also kNotFound and kIo.
Cluster load_cluster(const std::string& path);
Cluster parse_cluster(std::string_view text, std::string_view source);
std::string to_json(const Cluster& cluster);

enum class ScheduleKind : std::uint8_t {
  kGPipe,       // all forward passes, then all backward passes
  kOneF1B,      // backward passes before forward passes, with a limit of micro-batches in flight
  kSplit,       // the same, weight gradients where there is time for them (ZB-H1 on chains)
  kZeroBubble,  // the same with nearly twice as many in flight (ZB-H2, arXiv:2401.10241)
};
std::string_view name(ScheduleKind kind);
ScheduleKind parse_schedule_kind(std::string_view text);  // throws kInvalidArgument, lists all

// A part of the network, and the devices that run it, each on an equal share of every micro-batch.
// Stages with the same devices take turns on them: interleaved pipelines, or a branch and the join
// behind it, which need not wait for each other's tensors.
struct Stage {
  std::vector<int> operators;    // in topological order
  std::vector<int> devices;      // of the cluster; their order says who has which share
  int micro_batch = 1;           // samples of one pass, of all devices together
  int in_flight = 1;             // micro-batches between their forward and their backward pass
  bool recompute = false;        // keeps only what comes in, and runs forward again
  bool shard_optimizer = false;  // a device keeps its share of the optimiser's state (ZeRO-1)
  int run = 1;  // passes of one kind in a row, where there are as many (the k of kFkB)

  bool operator==(const Stage&) const = default;
};

struct Plan {
  std::string computation;  // its name
  std::string planner;      // who made the plan
  int batch = 1;            // samples of one iteration
  ScheduleKind schedule = ScheduleKind::kOneF1B;
  std::vector<Stage> stages;
  bool chain = false;  // every stage also waits for the one before: a pipeline that is no graph

  bool operator==(const Plan&) const = default;
};

// A tensor that leaves the stage `from` for the stage `to`, once, whoever needs it there. Between
// neighbours of a chain that share no tensor an edge of 0 bytes, from the last operator: `to` waits
// for an empty message.
struct StageEdge {
  int from = 0;
  int to = 0;
  int producer = 0;    // operator
  double bytes = 0.0;  // a sample

  bool operator==(const StageEdge&) const = default;
};
// Sorted by from, to and producer. Indices into this list name edges in schedules.
std::vector<StageEdge> stage_edges(const Computation& computation, const Plan& plan);

// Limits of plans: samples of a batch; passes of an iteration, forward and backward, of all
// devices.
constexpr int kMostSamples = 1 << 30;
constexpr double kMostPasses = 2e7;

// Throws kInvalidArgument unless the plan names this computation, every operator is in one stage,
// every stage has operators and devices, stages have the same devices or none in common,
// micro-batches divide the batch and devices divide micro-batches, no more are in flight than there
// are, the limits are kept, and the stage graph has no cycle. That each stage is convex would not
// be enough for the last (edges a-b, c-d and stages {a, d}, {b, c}).
void validate(const Computation& computation, const Cluster& cluster, const Plan& plan);

// Stages on the longest path of the stage graph.
int depth(const Computation& computation, const Plan& plan);

// Sets in_flight of all stages to what 1F1B needs, in samples n_i = k_i b_i at sinks, else the
// largest n_j + max(k_i b_i, k_j b_j) over successors j (b: micro-batch, k: run; sections 5 and 6
// of the paper; its authors' plan files), at most all micro-batches; interleaved chains: what the
// order of Megatron-LM needs; zero bubble: twice the largest n_j less one; GPipe: all
// micro-batches.
void set_in_flight(const Computation& computation, Plan& plan);

// JSON (docs/formats.md), by itself: validate() says whether it fits a network and a cluster. Throw
// as those of clusters do.
Plan load_plan(const std::string& path);
Plan parse_plan(std::string_view text, std::string_view source);
std::string to_json(const Plan& plan);

// Of one stage: seconds of a pass over a micro-batch, at the speed of its slowest device, and bytes
// that each of its devices holds.
struct StageCost {
  double forward_s = 0.0;
  double input_gradient_s = 0.0;  // with the forward pass that recomputation runs again
  double weight_gradient_s = 0.0;
  double reduce_s = 0.0;         // the sum of the gradients over its devices, once an iteration
  double update_s = 0.0;         // the optimiser's step, once an iteration
  double parameter_bytes = 0.0;  // parameters, packs, gradients, and the optimiser's state
  double saved_bytes = 0.0;      // of a micro-batch in flight
  double workspace_bytes = 0.0;  // while a pass runs

  double backward_s() const { return input_gradient_s + weight_gradient_s; }
};
// By stage of a valid plan.
std::vector<StageCost> stage_costs(const Computation& computation, const Cluster& cluster,
                                   const Plan& plan);
// What each device of the stages needs at most, however fast the others are: parameters,
// `in_flight` micro-batches, a workspace, and buffers. Of an edge (i, j) as many micro-batches of j
// wait in j's buffers as are in flight at i and not at j (where backward passes are split: all),
// and gradients of all that is in flight at i may wait there: other branches may be slower.
std::vector<double> stage_memory(const Computation& computation, const Cluster& cluster,
                                 const Plan& plan);
// The same by device of the cluster: the sum over its stages.
std::vector<double> device_memory(const Computation& computation, const Cluster& cluster,
                                  const Plan& plan);

// Throws kExhausted that names the first device that has less memory than it needs, by device: a
// plan's device_memory().
void check_memory(const Cluster& cluster, std::span<const double> bytes);

// Planners, by the names of the command line. All but the first make chains of stages; plans of all
// are judged by the same costs and the same simulator.
enum class PlannerKind : std::uint8_t {
  kGraphPipe,        // dynamic programming over the series-parallel structure; stages form a DAG
  kPipeDream,        // over antichains, with replication (Narayanan et al., SOSP 2019)
  kPipeDreamLinear,  // the same over one linear order
  kPiper,            // over downsets, with replication and recomputation (arXiv:2106.11226)
  kIdeals,           // over downsets, without replication (Tarnawski et al., arXiv:2006.16423)
  kLinear,           // the same over one linear order
  kAlpa,             // sum of stages + (M - 1) largest, over a linear order (arXiv:2201.12023)
  kChain,            // equal shares of the time, in a linear order
};
std::string_view name(PlannerKind kind);
PlannerKind parse_planner_kind(std::string_view text);  // throws kInvalidArgument, lists all

struct PlanOptions {
  int batch = 128;
  ScheduleKind schedule = ScheduleKind::kOneF1B;
  int micro_batch = 0;           // 0: the planner chooses, among divisors of the batch
  bool recompute = false;        // stages may recompute; planners graphpipe, piper, alpa
  bool shard_optimizer = false;  // stages with several devices may shard the optimiser's state
  int chunks = 1;                // stages of each device that planner `chain` makes (interleaved)
  int most_operators =
      0;                 // neighbours on a branch are planned as one until so many are left; 0: no
  double limit_s = 0.0;  // of the search; 0: none
};
struct Planned {
  std::optional<Plan> plan;  // valid, and within the memory of its devices
  std::string reason;        // why there is none, or the search ended early: "stopped after ..."
  double search_s = 0.0;
  std::int64_t states = 0;  // of the dynamic programme
};
// Throws kInvalidArgument for options that no plan can keep, or that the planner does not read.
Planned make_plan(const Computation& computation, const Cluster& cluster, PlannerKind planner,
                  const PlanOptions& options);

// A network's graph as a computation: what belongs to which operator. Nodes without an operator
// (-1) are inputs, which every stage that reads them has.
struct GraphComputation {
  Graph graph;  // simplified; what `operators` refers to
  Computation computation;
  std::vector<int> operators;  // of each node
};

// Seconds of a pass, a graph of constant shapes; weights are packed before.
using PassTime = std::function<double(const Graph& pass)>;

// What a device can do at best.
struct DeviceRates {
  std::string name;
  double flops_per_s = 0.0;
  double bytes_per_s = 0.0;  // of its memory
  double launch_s = 0.0;     // before a pass does anything
  bool packs = false;        // keeps weights packed, too, as the cpu device does
};
// From a description of a processor or a GPU (docs/formats.md), all cores together, in f32. Throws
// kInvalidArgument that names the file and the key, kNotFound, kIo.
DeviceRates load_device_rates(const std::string& path);
// Of `options.threads` cores of this machine: remembered_cpu_machine().
DeviceRates this_device_rates(const RunOptions& options = {});
// The larger of operations at the peak rate and of inputs, weights and outputs at the memory's: no
// value in between touches memory.
PassTime modelled(const DeviceRates& rates);
// The median of runs on the cpu device with random elements; equal passes of a network are measured
// once.
PassTime measured(const RunOptions& options = {});

struct PassOptions {
  // Samples of the two passes whose times make an operator's fixed time and its rates.
  std::int64_t small = 1;
  std::int64_t large = 32;
  bool packs = true;  // DeviceRates::packs: whether those of weights take memory
};
// The network's nodes by operators: about one for each product, with the light nodes around it, so
// that branches stay apart (src/pipeline/from_graph.h). Passes are those that a pipeline runs when
// every operator is a stage: the weight gradient takes what the backward pass takes longer than the
// input gradient alone. An operator keeps what its backward pass reads, and what it sends where
// others' passes read that. The optimiser's step is that of AdamW. Frozen weights have no gradient,
// but count as parameters like others.
GraphComputation graph_computation(const train::Network& network, const PassTime& seconds,
                                   const PassOptions& passes = {});
// The network's computation with the times of the passes that the stages of a plan run, shared out
// to their operators: for simulating this plan; other plans have other passes.
Computation with_stage_times(const GraphComputation& network, const Plan& plan,
                             std::span<const std::string> frozen, const PassTime& seconds);
// A model without a loss: both gradients are taken to cost what the forward pass does (that of
// weights only where there are any), and all that is computed is kept. A sample is a run, or one of
// the only named size. Throws kInvalidArgument that lists the named sizes when there are several.
GraphComputation graph_computation(const Graph& model, const PassTime& seconds,
                                   const PassOptions& passes = {});

}  // namespace lamina::pipeline
