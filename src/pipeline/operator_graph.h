// One operator of a grouping as graphs of its own: what it computes forward, and backward from what
// it kept and the gradients of what it sent.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "pipeline/from_graph.h"

namespace lamina::pipeline {

// Inputs and outputs carry the names of the values that they stand for.
struct OperatorGraph {
  Graph graph;                  // with the weights that it reads; no updates
  std::vector<Value> received;  // of the whole graph, from other operators, in the order of inputs
  std::vector<Value> data;      // inputs of the whole graph that it reads, weights apart
  std::vector<Value> sent;      // of the whole graph, one for each output
};

// One for each operator. A tensor is sent when another operator or an output of the graph has it.
std::vector<OperatorGraph> operator_graphs(const Grouping& grouping);

// The programs of an operator in training.
struct Passes {
  Graph forward;                  // the operator, with what it keeps as further outputs
  Graph input_gradient;           // of what was received; no outputs where nobody needs any
  Graph backward;                 // of what was received and of the weights; the same
  std::vector<std::string> kept;  // computed forward, read backward
  std::vector<std::string> kept_received;  // received (or data), read backward
};

// Which gradients are wanted, by names of inputs of the operator's graph, and of which outputs
// gradients arrive.
struct Wanted {
  std::vector<std::string> received;
  std::vector<std::string> weights;
  std::vector<std::string> sent;
};

// Gradients arrive as inputs "seed_<name of what was sent>" and leave as "grad_<name of input>".
Passes make_passes(const OperatorGraph& op, const Wanted& wanted);

}  // namespace lamina::pipeline
