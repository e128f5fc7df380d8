// Types at the border of inner graphs.
#include "graph/regions.h"

#include "base/check.h"
#include "graph/expression.h"

namespace lamina {

void check_inner_inputs(std::string_view op, const Graph& inner, std::span<const Type> given) {
  std::size_t next = 0;
  for (const Input& input : inner.inputs) {
    if (input.role == Role::kState) continue;
    require(next < given.size(), "{}: the inner graph has more inputs than it is given ({})", op,
            given.size());
    const Type& type = inner.nodes[static_cast<std::size_t>(input.node)].types[0];
    require(type == given[next], "{}: input {} is {}, the inner graph expects {}", op, next,
            to_string(given[next]), to_string(type));
    ++next;
  }
  require(next == given.size(), "{}: {} inputs for an inner graph of {}", op, given.size(), next);
}

std::vector<Type> output_types(const Graph& inner) {
  std::vector<Type> types;
  for (const Output& output : inner.outputs) types.push_back(inner.type(output.value));
  return types;
}

// The gradient of the sum of all outputs times what arrived at them.
Graph inner_gradient(const Graph& inner, const std::vector<bool>& arrived) {
  std::vector<Value> inputs;
  for (const Input& input : inner.inputs) {
    const Value value{input.node, 0};
    if (traits(inner.type(value).dtype).is_float) inputs.push_back(value);
  }
  Graph weighted = inner;
  std::vector<Expr> terms;
  for (std::size_t k = 0; k < arrived.size(); ++k) {
    if (!arrived[k]) continue;
    const Expr output{&weighted, inner.outputs[k].value};
    const Type type = inner.type(output);
    terms.push_back(output * Expr{&weighted, weighted.add_input("grad", type)});
    terms.back() = call("sum", {terms.back()});
  }
  check(!terms.empty(), "the gradient of a graph without gradients of its outputs");
  Expr loss = terms[0];
  for (std::size_t k = 1; k < terms.size(); ++k) loss = loss + terms[k];
  weighted.outputs.clear();
  weighted.add_output("loss", loss);
  Graph result = gradient(weighted, inputs);
  result.outputs.erase(result.outputs.begin());
  return result;
}

}  // namespace lamina
