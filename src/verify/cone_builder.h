// Building a cone by asking for boxes of values, from the output to the inputs.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <tuple>
#include <vector>

#include "graph/op_def.h"
#include "verify/cone.h"

namespace lamina {

// Where values are computed: the program, the expansion of a composite in it, one iteration of a
// block's loop at one grid point, or what follows that loop.
struct ConeScope {
  const Graph* graph = nullptr;
  const ConeScope* parent = nullptr;     // holds what the graph is given
  std::vector<Value> given;              // by input, states left out
  std::vector<std::vector<Type>> types;  // at this place: tiles at the end of an axis are shorter
  std::vector<Shape> tiles;              // where the tiles of loads begin, by node
  // In a block: the iteration before, null in the first one. What follows the loop comes after the
  // last one.
  const ConeScope* before = nullptr;
  std::int64_t number = 0;  // of the iteration
  bool follows_loop = false;
  std::vector<bool> after;  // see after_loop()
};

class ConeBuilder {
 public:
  ConeBuilder(const Graph& graph, double most_points, const InputParts& given);

  Cone build(Value value, const Box& box);

 private:
  using Scope = ConeScope;
  // One point of a grid. Iterations whose tiles are empty are left out.
  struct Task {
    std::vector<std::unique_ptr<Scope>> iterations;
    std::unique_ptr<Scope> end;
  };
  // cone.cc: values of any kind.
  Value emit(const Scope& scope, Value value, const Box& box);
  Value compute(const Scope& scope, Value value, const Box& box);
  Value input(const Scope& scope, Value value, const Box& box);
  Value program_input(std::size_t index, const Box& box);
  Value elementwise(const Scope& scope, Value value, const Box& box);
  Value composite(const Scope& scope, Value value, const Box& box);
  Value whole(const Scope& scope, Value value, const Box& box);
  // cone_loops.cc: operators that are loops over affine places.
  Value cut_loops(const Scope& scope, Value value, const Box& box);
  Value cut_line(const Scope& scope, Value value, const Box& box);
  // cone_moves.cc: copies.
  Value moved(const Scope& scope, Value value, const Box& box);
  Value copied(const Scope& scope, Value value, const Box& box, const Copy& copy);
  Value arranged(Value value, const std::vector<int>& axes, const Shape& shape);
  Value reshaped(const Scope& scope, Value value, const Box& box);
  // Both sides of a cut through `axis` at `place`.
  Value joined(const Scope& scope, Value value, const Box& box, std::size_t axis,
               std::int64_t place);
  // cone_blocks.cc: blocks.
  Value block(const Scope& scope, Value value, const Box& box);
  Value after(const Scope& scope, Value value, const Box& box);
  const Task& task(const Scope& scope, NodeId node, const std::vector<std::int64_t>& point);
  bool begin_iteration(Scope& inner, const std::vector<std::int64_t>& point, std::int64_t number,
                       std::int64_t loop);

  std::vector<Type> input_types(const Scope& scope, const Node& node) const;
  const Type& type(const Scope& scope, Value value) const;
  static Value state_value(const Graph& graph, NodeId state);
  void infer(Scope& scope, NodeId node) const;

  Value add(std::string_view op, std::vector<Value> inputs, Attrs attrs);
  Value add(Node node);
  Value part(Value value, const Box& box);
  Value filled(double value, DType dtype, const Shape& shape);
  const Type& type(Value value) const { return graph_.type(value); }
  void count(const Dims& extents);

  const Graph& program_;
  double most_points_;
  InputParts given_;
  Graph graph_;
  std::vector<Value> inputs_;  // by input of the program
  InputParts read_;
  double points_ = 0.0;
  int depth_ = 0;
  Scope top_;
  std::map<std::tuple<const Scope*, Value, Box>, Value> known_;
  std::map<std::pair<const Scope*, NodeId>, std::unique_ptr<Scope>> inner_;
  std::vector<std::unique_ptr<Graph>> expansions_;
  std::map<std::tuple<const Scope*, NodeId, std::vector<std::int64_t>>, Task> tasks_;
};

}  // namespace lamina
