// The programs that the stages of a plan run, cut from the graph of the network and its gradient.
//
// The part of a stage reads data, weights and tensors of other stages, and makes tensors that other
// stages need, or the loss. Its gradient, from the gradients ("seeds") of what it sent, is one
// graph, of which the forward program is what does not depend on seeds: what is sent, and what is
// kept for the backward program, which is the rest. Where backward passes are split, the
// input-gradient program is what the gradients of received tensors need, the weight-gradient
// program what is left.
#pragma once

#include <array>
#include <compare>
#include <span>
#include <string>
#include <vector>

#include "pipeline/stage_graph.h"

namespace lamina::pipeline {

// A tensor of the network that goes over an edge.
struct EdgeTensor {
  Value value;
  int axis = -1;          // along which its samples lie; -1: it has none
  std::int64_t rows = 0;  // along it, of a sample
  bool gradient = false;  // one comes back

  bool operator==(const EdgeTensor&) const = default;
};
// Tensor `tensor` of edge `edge`.
struct EdgePlace {
  int edge = 0;
  int tensor = 0;

  auto operator<=>(const EdgePlace&) const = default;
};

// Where a tensor of a pass comes from, or goes to.
struct Port {
  enum class Kind : std::uint8_t {
    kData,              // index into StageProgram::data
    kWeight,            // index into StageProgram::weights
    kReceived,          // index into StageProgram::received
    kSent,              // index into StageProgram::sent
    kLoss,              // the mean over the samples of the pass
    kSeed,              // index into StageProgram::seeds
    kLossSeed,          // the share of the batch that the samples of the pass are
    kKept,              // from one pass of a micro-batch to a later one
    kReceivedGradient,  // index into StageProgram::received
    kWeightGradient,    // index into StageProgram::weights
  };
  Kind kind = Kind::kData;
  int index = 0;

  auto operator<=>(const Port&) const = default;
};

// The graph has constant shapes; its inputs and outputs are those below, in their order. Inputs
// that are parameters have the role kWeight. Gradients of weights are no outputs: each run adds
// them to the states "sum<k>" of the program, k the index into `sums`.
struct PassProgram {
  Graph graph;
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  std::vector<Port> sums;

  bool is_empty() const { return outputs.empty() && sums.empty(); }
};
std::string sum_name(std::size_t k);

struct StageWeight {
  std::string name;
  bool trained = false;

  bool operator==(const StageWeight&) const = default;
};

// What one device of a stage does with its share of a micro-batch.
struct StageProgram {
  std::vector<std::string> data;     // inputs of the network
  std::vector<StageWeight> weights;  // in the order of the network
  std::vector<EdgePlace> received;   // by edge
  std::vector<Value> sent;           // of the network; each once, whoever needs it
  std::vector<EdgePlace> seeds;      // gradients that come back, by edge
  bool has_loss = false;
  PassProgram forward;
  PassProgram backward;         // unless passes are split
  PassProgram input_gradient;   // where they are
  PassProgram weight_gradient;  // where they are
};

// In the order in which they run; some may be empty.
inline std::array<const PassProgram*, 4> passes_of(const StageProgram& program) {
  return {&program.forward, &program.backward, &program.input_gradient, &program.weight_gradient};
}

struct PipelineProgram {
  StageGraph graph;
  std::vector<std::vector<EdgeTensor>> tensors;  // by edge; sorted by value
  std::vector<StageProgram> stages;
};

// Nodes that the loss does not need are left out; nodes that depend on no input are in every stage
// that reads them. Throws kUnsupported for networks with state, for weights that are neither
// f32 nor bf16, and for a tensor without an axis of samples between stages whose shares of
// micro-batches differ.
PipelineProgram cut_stages(const GraphComputation& network, const Plan& plan,
                           std::span<const std::string> frozen);

}  // namespace lamina::pipeline
