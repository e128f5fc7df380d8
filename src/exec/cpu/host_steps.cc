// if, loop, and the interpreter.
#include "exec/cpu/host_steps.h"

#include <cstring>

#include "base/check.h"
#include "exec/cpu/cpu_program.h"
#include "graph/evaluate_node.h"
#include "graph/interpret.h"

namespace lamina::cpu {
namespace {

void assign(Tensor& to, const Tensor& from) {
  check(to.bytes() == from.bytes(), "a result of {} bytes for a place of {}", from.bytes(),
        to.bytes());
  if (to.bytes() != 0) std::memcpy(to.data(), from.data(), to.bytes());
}

bool is_true(const Tensor& scalar) { return scalar.to_integers().at(0) != 0; }

void run_branch(const HostStep& step) {
  CpuProgram& body = *step.bodies.at(is_true(step.inputs[0]) ? 0 : 1);
  const std::vector<Tensor> results = body.run_body(step.sizes, step.inputs.subspan(1));
  for (std::size_t i = 0; i < results.size(); ++i) assign(step.outputs[i], results[i]);
}

// Puts the slice of iteration `i` where it belongs in a scanned output.
void assign_slice(Tensor& to, std::int64_t i, const Tensor& slice) {
  if (to.shape().empty() || i >= to.shape()[0]) {
    fail(ErrorCode::kUnsupported, "loop: iteration {} has no place in a scanned output {}", i,
         to_string(to.shape()));
  }
  if (slice.bytes() == 0) return;
  std::memcpy(to.data() + static_cast<std::size_t>(i) * slice.bytes(), slice.data(), slice.bytes());
}

// Inputs: trip count, condition, carried values, then values the body only reads.
// Body: (iteration, carried..., read...) -> (condition, carried..., scanned...).
void run_loop(const Node& node, const HostStep& step) {
  const auto carried = static_cast<std::size_t>(node.attrs.integer("carried"));
  const std::int64_t trips = step.inputs[0].to_integers().at(0);
  bool go_on = is_true(step.inputs[1]);
  std::vector<Tensor> inputs{Tensor(DType::kI64, {})};
  inputs.insert(inputs.end(), step.inputs.begin() + 2, step.inputs.end());
  std::int64_t i = 0;
  for (; i < trips && go_on; ++i) {
    inputs[0].span<std::int64_t>()[0] = i;
    const std::vector<Tensor> results = step.bodies.at(0)->run_body(step.sizes, inputs);
    go_on = is_true(results[0]);
    for (std::size_t k = 0; k < carried; ++k) inputs[1 + k] = results[1 + k];
    for (std::size_t k = carried; k < step.outputs.size(); ++k) {
      assign_slice(step.outputs[k], i, results[1 + k]);
    }
  }
  for (std::size_t k = 0; k < carried; ++k) assign(step.outputs[k], inputs[1 + k]);
  for (std::size_t k = carried; k < step.outputs.size(); ++k) {
    if (step.outputs[k].shape()[0] == i) continue;
    fail(ErrorCode::kUnsupported, "loop: ended after {} iterations, its scanned output is {}", i,
         to_string(step.outputs[k].shape()));
  }
}

void interpret(const Node& node, const HostStep& step) {
  std::vector<Graph> graphs;
  for (const Graph& graph : node.graphs) graphs.push_back(bind_sizes(graph, step.sizes));
  const std::vector<Tensor> results = evaluate_node(
      node.op->name, step.inputs, bind_attrs(node.attrs, step.sizes), std::move(graphs));
  for (std::size_t i = 0; i < results.size(); ++i) assign(step.outputs[i], results[i]);
}

}  // namespace

bool has_bodies(const Node& node) { return node.op->name == "if" || node.op->name == "loop"; }

void run_host_step(const Node& node, const HostStep& step) {
  if (node.op->name == "if") return run_branch(step);
  if (node.op->name == "loop") return run_loop(node, step);
  interpret(node, step);
}

}  // namespace lamina::cpu
