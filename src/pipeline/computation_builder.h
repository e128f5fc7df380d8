// What the computations of training and of inference share: operators with names, parameters and
// edges, and rates that follow from the times of passes.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "lamina/pipeline.h"
#include "pipeline/from_graph.h"
#include "pipeline/pass_memory.h"

namespace lamina::pipeline {

// The values that go in and out of an operator.
struct Boundary {
  std::set<Value> received;  // from other operators
  std::set<Value> data;      // inputs of the graph, weights apart
  std::set<Value> weights;
  std::set<Value> sent;  // to other operators, or outputs of the graph
};

class ComputationBuilder {
 public:
  ComputationBuilder(const Graph& graph, const PassTime& seconds, const PassOptions& passes);

 protected:
  const Graph& graph() const { return made_.graph; }
  Sizes sizes(std::int64_t count) const {
    return samples_.empty() ? Sizes{} : Sizes{{samples_, count}};
  }
  double bytes(Value v) const { return value_bytes(graph().type(v), sizes(1)); }
  double bytes(const std::set<Value>& values) const;

  // Operators with names and parameters, and edges.
  void start(const std::string& name);
  GraphComputation finish();

  // Of a pass of constant shapes; equal passes are asked for once.
  double time(const Graph& pass);
  // Of an operator's passes, with as many samples as `passes` says.
  struct Times {
    double small_forward = 0.0;
    double forward = 0.0;
    double input_gradient = 0.0;
    double weight_gradient = 0.0;
  };
  // A pass of n samples takes the fixed time, that of the forward pass, and n times a rate, which
  // is right for large passes. Without samples a run is one.
  void set_times(Operator& op, const Times& times) const;

  std::string samples_;
  const PassTime& seconds_;
  PassOptions passes_;
  GraphComputation made_;
  std::vector<Boundary> boundaries_;  // of operators

 private:
  std::vector<std::string> operator_names(const Grouping& grouping) const;
  void add_edges(int from);

  std::vector<std::string> names_;
  std::map<GraphHash, double> times_;
};

}  // namespace lamina::pipeline
