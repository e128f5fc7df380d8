// Constant folding of one node: a graph of that node alone, interpreted over doubles.
#include "graph/evaluate_node.h"

#include "graph/real_domain.h"

namespace lamina {

std::vector<Tensor> evaluate_node(std::string_view op, std::span<const Tensor> inputs,
                                  const Attrs& attrs, std::vector<Graph> graphs,
                                  std::int64_t max_elements) {
  Graph graph;
  std::vector<Value> values;
  std::vector<Array<double>> arrays;
  for (const Tensor& tensor : inputs) {
    const Type type{tensor.dtype(), Dims(tensor.shape().begin(), tensor.shape().end()), {}};
    values.push_back(graph.add_input("x", type));
    arrays.push_back(to_array(tensor));
  }
  const Value value = graph.add(op, values, attrs, "y", std::move(graphs));
  const std::vector<Type> types = graph.node(value).types;
  std::int64_t elements = 0;
  for (const Type& type : types) {
    elements += element_count(*constant_shape(type.shape));
    if (elements > max_elements) return {};
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    graph.add_output("y" + std::to_string(i), {value.node, static_cast<std::int32_t>(i)});
  }
  RealDomain domain;
  const auto result = Interpreter<RealDomain>(domain).run(graph, std::move(arrays), {});
  std::vector<Tensor> outputs;
  for (std::size_t i = 0; i < types.size(); ++i) {
    outputs.push_back(to_tensor(result.outputs[i], types[i].dtype));
  }
  return outputs;
}

}  // namespace lamina
