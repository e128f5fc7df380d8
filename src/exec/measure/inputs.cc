// Random inputs, random weights, and the work of a run.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"
#include "base/rng.h"
#include "exec/binding.h"
#include "graph/op_def.h"
#include "graph/tolerance.h"
#include "graph/work.h"
#include "lamina/bench.h"

namespace lamina {
namespace {

// How many positions an input may index when it is used as indices; 0: it is not.
std::int64_t index_range(const Graph& graph, NodeId input, const Sizes& sizes) {
  std::int64_t range = 0;
  for (const Node& node : graph.nodes) {
    if (node.op->move_form == nullptr) continue;
    std::vector<Type> types;
    const MoveForm form = node.op->move_form(view(graph, node, types));
    const auto note = [&](const Access& access, const Dims& shape) {
      for (std::size_t i = 0; i < access.axes.size() && !access.flat; ++i) {
        for (const auto& indirect : access.axes[i].indirect) {
          if (node.inputs[static_cast<std::size_t>(indirect.operand)].node != input) continue;
          const std::int64_t extent = shape[i].evaluate(sizes);
          range = range == 0 ? extent : std::min(range, extent);
        }
      }
    };
    for (const Copy& copy : form.copies) {
      if (copy.operand >= 0) note(copy.from, types[static_cast<std::size_t>(copy.operand)].shape);
      note(copy.to, node.types[static_cast<std::size_t>(copy.output)].shape);
    }
  }
  return range;
}

Tensor random_tensor(const Type& type, const Shape& shape, std::int64_t range, double scale,
                     Rng& rng) {
  const auto count = static_cast<std::size_t>(element_count(shape));
  if (traits(type.dtype).is_float) {
    std::vector<double> values(count);
    for (double& value : values) value = scale * (2.0 * rng.uniform() - 1.0);
    return Tensor::from_doubles(type.dtype, shape, values);
  }
  const std::int64_t below = type.dtype == DType::kBool ? 2 : range > 0 ? range : 10;
  std::vector<std::int64_t> values(count);
  for (std::int64_t& value : values) {
    value = static_cast<std::int64_t>(rng.bits() % static_cast<std::uint64_t>(below));
  }
  return Tensor::from_integers(type.dtype, shape, values);
}

}  // namespace

std::vector<Tensor> random_inputs(const Graph& graph, const Sizes& sizes, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Tensor> result;
  for (const Input* input : run_inputs(graph)) {
    const Type& type = graph.nodes[static_cast<std::size_t>(input->node)].types[0];
    result.push_back(random_tensor(type, evaluate(type.shape, sizes),
                                   index_range(graph, input->node, sizes), 1.0, rng));
  }
  return result;
}

Graph fill_weights(const Graph& graph, std::uint64_t seed) {
  Graph filled = graph;
  Rng rng(seed);
  for (Input& input : filled.inputs) {
    if (input.role != Role::kWeight || !input.value.empty()) continue;
    const Node& node = filled.nodes[static_cast<std::size_t>(input.node)];
    const auto shape = constant_shape(node.types[0].shape);
    require(shape.has_value(), "weight '{}' has the shape {}; weights have constant shapes",
            node.name, to_string(node.types[0].shape));
    const double rows = shape->size() >= 2 ? static_cast<double>((*shape)[shape->size() - 2]) : 1.0;
    input.value = random_tensor(node.types[0], *shape, index_range(graph, input.node, {}),
                                1.0 / std::sqrt(std::max(1.0, rows)), rng);
  }
  return filled;
}

Work count_work(const Graph& graph, const Sizes& sizes) {
  Work work;
  work.flops = count_flops(graph, sizes);
  work.tolerance = tolerance(graph, sizes).relative();
  const auto add = [&](const Type& type) {
    const DTypeTraits& t = traits(type.dtype);
    work.bytes += static_cast<double>(element_count(evaluate(type.shape, sizes))) /
                  t.block_elements * t.block_bytes;
  };
  for (const Input& input : graph.inputs) {
    add(graph.nodes[static_cast<std::size_t>(input.node)].types[0]);
  }
  for (const Output& output : graph.outputs) add(graph.type(output.value));
  return work;
}

}  // namespace lamina
