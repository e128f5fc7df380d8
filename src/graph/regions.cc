// Types at the border of inner graphs.
#include "graph/regions.h"

#include "base/check.h"

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

}  // namespace lamina
