// What the readers of kernel and block graphs of Mirage's programs share.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "lamina/graph.h"

namespace lamina::mirage {

// A tensor of a program as the file describes it.
struct TensorSpec {
  std::int64_t id = 0;  // "guid"
  Type type;
};

// `dtype`: read instead of the element type of the file.
TensorSpec read_tensor(const Json& json, std::optional<DType> dtype);
std::vector<TensorSpec> read_tensors(const Json& op, std::string_view key,
                                     std::optional<DType> dtype);

// The members x, y, z of an object.
std::array<std::int64_t, 3> read_xyz(const Json& json);

// Values of a graph by the ids of their tensors.
class Values {
 public:
  void define(const TensorSpec& tensor, Value value);  // refuses an id that occurs twice
  Value at(const TensorSpec& tensor) const;            // throws kInvalidArgument for an unknown id

 private:
  std::map<std::int64_t, Value> values_;
};

// The operators that kernel and block graphs have in common; `name` is the operator without level
// and "_op" ("matmul"). nullopt for any other.
std::optional<Value> add_common(Graph& graph, std::string_view name,
                                const std::vector<Value>& inputs);

// The name without "kn_" or "tb_" in front and "_op" behind. Throws kInvalidArgument for a name
// that is not of this level.
std::string_view base_name(std::string_view op_type, std::string_view level);

// A block node for the operator kn_customized_op: reads `inputs`, gives the outputs in the order of
// the operator's output tensors.
std::vector<Value> add_block(Graph& graph, const Json& op, const Values& values,
                             std::optional<DType> dtype);

}  // namespace lamina::mirage
