// Bytes of values and of what a pass holds while it runs.
#include "pipeline/pass_memory.h"

#include <algorithm>
#include <set>

#include "exec/lower/absorb.h"
#include "exec/lower/lower.h"
#include "graph/op_def.h"
#include "graph/simplify.h"

namespace lamina::pipeline {
namespace {

bool reads_rows(const Node& node, Value table) {
  const bool picks = node.op->name == "gather" || node.op->name == "embedding";
  return picks && node.inputs[0] == table && node.inputs[1] != table;
}

// Of an input that only look-ups read: the rows that they pick.
double read_bytes(const Graph& pass, Value input, const Sizes& sizes) {
  const double all = value_bytes(pass.type(input), sizes);
  double picked = 0.0;
  for (const Node& node : pass.nodes) {
    if (std::count(node.inputs.begin(), node.inputs.end(), input) == 0) continue;
    if (!reads_rows(node, input)) return all;
    picked += value_bytes(node.types[0], sizes);
  }
  return std::min(all, picked);
}

}  // namespace

double value_bytes(const Type& type, const Sizes& sizes) {
  const DTypeTraits& t = traits(type.dtype);
  return static_cast<double>(element_count(evaluate(type.shape, sizes))) / t.block_elements *
         t.block_bytes;
}

double boundary_bytes(const Graph& pass, const Sizes& sizes) {
  std::set<Value> outputs;
  double sum = 0.0;
  for (const Output& output : pass.outputs) {
    if (outputs.insert(output.value).second) sum += value_bytes(pass.type(output.value), sizes);
  }
  for (const Update& update : pass.updates) sum += value_bytes(pass.type(update.next), sizes);
  for (const Input& input : pass.inputs) {
    if (!outputs.contains({input.node, 0})) sum += read_bytes(pass, {input.node, 0}, sizes);
  }
  return sum;
}

double workspace_bytes(const Graph& pass) {
  const lower::Lowered lowered = lower::lower(lower::absorb_transposes(simplify(pass)));
  return static_cast<double>(lower::plan_storages(lowered, {}).bytes);
}

}  // namespace lamina::pipeline
