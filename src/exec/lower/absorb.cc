// Moving transposes into products and blocks.
#include "exec/lower/absorb.h"

#include <algorithm>
#include <map>
#include <string>

#include "graph/op_def.h"
#include "graph/simplify.h"

namespace lamina::lower {
namespace {

// Of a transpose: axis i of its result is axis order[i] of its operand.
using Order = std::vector<std::size_t>;

Order order_of(const Node& transpose) {
  const std::size_t rank = transpose.types[0].shape.size();
  Order order;
  for (const std::int64_t axis : transpose.attrs.integers("axes")) {
    order.push_back(
        static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis));
  }
  for (std::size_t i = rank; order.size() < rank;) order.push_back(--i);
  return order;
}

// Neighbours stay neighbours.
bool keeps_rows(const Order& order) { return !order.empty() && order.back() + 1 == order.size(); }

Dims axes_attr(const Order& order) {
  Dims axes;
  for (const std::size_t axis : order) axes.push_back(static_cast<std::int64_t>(axis));
  return axes;
}

bool is(const Node& node, std::string_view op) { return node.op->name == op; }

// A block graph with one input or one output in another layout.
class BlockRewrite {
 public:
  explicit BlockRewrite(const Graph& from) : from_(from) {
    to_.name = from.name;
    to_.level = from.level;
    to_.sizes = from.sizes;
  }

  // Input `index` is what the transpose reads, of type `type`.
  Graph read(std::size_t index, const Type& type, const Order& order) {
    const NodeId input = from_.inputs[index].node;
    return copy([&](NodeId id, const Node& node) -> Value {
      if (id == input) {
        const Input& given = from_.inputs[index];
        return to_.add_input(node.name, type, given.role);
      }
      if (!is(node, "load") || node.inputs[0].node != input) return {};
      Attrs attrs = node.attrs;
      Dims tile = node.attrs.dims("tile");
      for (std::size_t i = 0; i < order.size(); ++i) tile[order[i]] = node.attrs.dims("tile")[i];
      attrs.set("tile", tile);
      attrs.set("grid", cut_axes(node, order));
      const std::int64_t loop = node.attrs.integer("loop");
      if (loop >= 0) {
        attrs.set("loop", static_cast<std::int64_t>(order[static_cast<std::size_t>(loop)]));
      }
      const Value loaded = to_.add("load", {at(node.inputs[0])}, attrs);
      return to_.add("transpose", {loaded}, {{"axes", axes_attr(order)}}, node.name);
    });
  }

  // Output `index` is what the transpose makes of it.
  Graph write(std::size_t index, const Order& order) {
    const NodeId output = from_.outputs[index].value.node;
    Order back(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) back[order[i]] = i;
    return copy([&](NodeId id, const Node& node) -> Value {
      if (id != output) return {};
      Attrs attrs = node.attrs;
      Dims shape;
      for (const std::size_t axis : order) shape.push_back(node.attrs.dims("shape")[axis]);
      attrs.set("shape", shape);
      attrs.set("grid", cut_axes(node, back));
      if (const std::int64_t loop = node.attrs.integer("loop"); loop >= 0) {
        attrs.set("loop", static_cast<std::int64_t>(back[static_cast<std::size_t>(loop)]));
      }
      const Value turned = to_.add("transpose", {at(node.inputs[0])}, {{"axes", axes_attr(order)}});
      return to_.add("store", {turned}, attrs, node.name);
    });
  }

 private:
  Value at(Value value) const { return places_.at(value.node); }

  // What each dimension of the grid cuts, axis a being axis order[a] now.
  static Dims cut_axes(const Node& node, const Order& order) {
    Dims grid;
    for (const std::int64_t axis : node.attrs.integers("grid")) {
      grid.push_back(axis < 0 ? axis
                              : static_cast<std::int64_t>(order[static_cast<std::size_t>(axis)]));
    }
    return grid;
  }

  // Copies all nodes; `replace` returns what stands for a node, or nothing. Nodes of block graphs
  // have one output.
  template <class Replace>
  Graph copy(Replace replace) {
    for (std::size_t n = 0; n < from_.nodes.size(); ++n) {
      const auto id = static_cast<NodeId>(n);
      const Node& node = from_.nodes[n];
      Value value = replace(id, node);
      if (value.node < 0) value = copy_node(id, node);
      places_[id] = value;
    }
    for (const Output& output : from_.outputs) to_.add_output(output.name, at(output.value));
    for (const Update& update : from_.updates) {
      to_.add_update(places_.at(update.state), at(update.next));
    }
    return std::move(to_);
  }

  Value copy_node(NodeId id, const Node& node) {
    if (const Input* input = from_.input(id)) {
      const Value value = to_.add_input(node.name, node.types[0], input->role);
      to_.inputs.back().value = input->value;
      to_.inputs.back().initial = input->initial;
      return value;
    }
    std::vector<Value> inputs;
    for (const Value& value : node.inputs) inputs.push_back(at(value));
    return to_.add(node.op->name, inputs, node.attrs, node.name, node.graphs);
  }

  const Graph& from_;
  Graph to_;
  std::map<NodeId, Value> places_;
};

class Absorber {
 public:
  explicit Absorber(Graph graph) : graph_(std::move(graph)) {
    const std::size_t count = graph_.nodes.size();
    readers_.resize(count);
    leaves_.resize(count, false);
    constant_.resize(count, false);
    for (std::size_t n = 0; n < count; ++n) {
      const auto id = static_cast<NodeId>(n);
      const Node& node = graph_.nodes[n];
      const Input* input = graph_.input(id);
      constant_[n] = input != nullptr ? input->role == Role::kWeight
                                      : std::all_of(node.inputs.begin(), node.inputs.end(),
                                                    [&](Value v) { return constant_[at(v.node)]; });
      for (const Value& value : node.inputs) readers_[at(value.node)].push_back(id);
    }
    for (const Output& output : graph_.outputs) leaves_[at(output.value.node)] = true;
    for (const Update& update : graph_.updates) leaves_[at(update.next.node)] = true;
  }

  Graph run() {
    // Backwards: what reads a transpose of a transpose may then read what the first one reads.
    for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
      if (is_movable(n)) into_readers(static_cast<NodeId>(n));
    }
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (is_movable(n)) into_producer(static_cast<NodeId>(n));
    }
    drop_dead_nodes(graph_);
    return std::move(graph_);
  }

 private:
  // The letters of the axes of a product: of its operands and its result.
  struct Letters {
    std::string operand[2];
    std::string result;
  };

  static std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }
  Node& node(NodeId id) { return graph_.nodes[at(id)]; }
  NodeId id_of(const Node& node) const { return static_cast<NodeId>(&node - graph_.nodes.data()); }

  bool is_movable(std::size_t n) const {
    return is(graph_.nodes[n], "transpose") && !constant_[n] && !leaves_[n] && !readers_[n].empty();
  }

  void into_readers(NodeId transpose) {
    const Order order = order_of(node(transpose));
    const std::vector<NodeId> readers = readers_[at(transpose)];
    const bool all = std::all_of(readers.begin(), readers.end(), [&](NodeId reader) {
      return can_read(node(reader), transpose, order);
    });
    if (!all) return;
    const Value source = node(transpose).inputs[0];
    for (const NodeId reader : readers) {
      for (std::size_t k = 0; k < node(reader).inputs.size(); ++k) {
        if (node(reader).inputs[k].node == transpose) read(reader, k, source, order);
      }
      readers_[at(source.node)].push_back(reader);
    }
    readers_[at(transpose)].clear();
    std::erase(readers_[at(source.node)], transpose);
  }

  bool can_read(const Node& reader, NodeId transpose, const Order& order) {
    for (std::size_t k = 0; k < reader.inputs.size(); ++k) {
      if (reader.inputs[k].node != transpose) continue;
      const bool fits = is(reader, "block") ? block_reads(reader.graphs[0], k, order)
                                            : product_reads(reader, k, order);
      if (!fits) return false;
    }
    return true;
  }

  // Rows of the first factor stay rows; columns of the second may lie along the sum.
  bool product_reads(const Node& reader, std::size_t operand, const Order& order) {
    if (!is_plain_product(reader)) return false;
    return keeps_rows(order) || (operand == 1 && order[order.size() - 2] + 1 == order.size());
  }

  // A product whose operands have the same axes before their last two.
  bool is_plain_product(const Node& product) {
    if (products_.contains(id_of(product))) return true;
    if (!is(product, "matmul")) return false;
    const Dims a = graph_.type(product.inputs[0]).shape, b = graph_.type(product.inputs[1]).shape;
    return a.size() >= 2 && a.size() <= 10 && a.size() == b.size() &&
           std::equal(a.begin(), a.end() - 2, b.begin());
  }

  // Tiles that only products read may come in any layout: they are copied or packed anyway.
  static bool block_reads(const Graph& inner, std::size_t index, const Order& order) {
    if (holds_convolution(inner)) return false;
    std::vector<bool> loads(inner.nodes.size(), false);
    for (std::size_t n = 0; n < inner.nodes.size(); ++n) {
      const Node& node = inner.nodes[n];
      if (is(node, "load")) {
        loads[n] = node.inputs[0].node == inner.inputs[index].node;
        continue;
      }
      const Kind kind = node.op->kind;
      for (const Value& value : node.inputs) {
        if (!loads[at(value.node)] || kind == Kind::kContract) continue;
        const bool in_place = kind == Kind::kElementwise || kind == Kind::kReduce;
        if (!in_place || !keeps_rows(order)) return false;
      }
    }
    return inner.outputs.size() > 0 &&
           std::none_of(inner.updates.begin(), inner.updates.end(),
                        [&](const Update& update) { return loads[at(update.next.node)]; });
  }

  void read(NodeId reader, std::size_t operand, Value source, const Order& order) {
    Node& to = node(reader);
    to.inputs[operand] = source;
    if (is(to, "block")) {
      to.graphs[0] = BlockRewrite(to.graphs[0]).read(operand, graph_.type(source), order);
      return;
    }
    std::string& letters = letters_of(to).operand[operand];
    const std::string old = letters;
    for (std::size_t i = 0; i < order.size(); ++i) letters[order[i]] = old[i];
    set_equation(to);
  }

  // The producer writes the layout that is wanted, where nobody wants the other.
  void into_producer(NodeId transpose) {
    const Order order = order_of(node(transpose));
    const Value made = node(transpose).inputs[0];
    Node& producer = node(made.node);
    if (!keeps_rows(order) || leaves_[at(made.node)] || readers_[at(made.node)].size() != 1) return;
    if (is(producer, "block")) {
      const Graph& inner = producer.graphs[0];
      const auto index = static_cast<std::size_t>(made.output);
      if (producer.types.size() != 1 || !store_is_computed(inner)) return;
      producer.graphs[0] = BlockRewrite(inner).write(index, order);
    } else if (is_plain_product(producer)) {
      Letters& letters = letters_of(producer);
      const std::string old = letters.result;
      for (std::size_t i = 0; i < order.size(); ++i) letters.result[i] = old[order[i]];
      set_equation(producer);
    } else {
      return;
    }
    producer.types = node(transpose).types;
    readers_[at(made.node)] = readers_[at(transpose)];
    for (const NodeId reader : readers_[at(transpose)]) {
      for (Value& value : node(reader).inputs) {
        if (value.node == transpose) value = made;
      }
    }
  }

  // Kernels of convolutions read and write one layout only.
  static bool holds_convolution(const Graph& inner) {
    return std::any_of(inner.nodes.begin(), inner.nodes.end(),
                       [](const Node& node) { return is(node, "conv_last"); });
  }

  // What is stored has a place of its own, which can be seen in another order.
  static bool store_is_computed(const Graph& inner) {
    if (holds_convolution(inner)) return false;
    const Value stored = inner.node(inner.outputs[0].value).inputs[0];
    return !inner.node(stored).inputs.empty() && inner.node(stored).op->move_form == nullptr;
  }

  Letters& letters_of(const Node& product) {
    const auto [found, fresh] = products_.try_emplace(id_of(product));
    if (fresh) {
      std::string batch;
      for (std::size_t i = 2; i < product.types[0].shape.size(); ++i) {
        batch += static_cast<char>('a' + static_cast<char>(i));
      }
      found->second = {{batch + "xy", batch + "yz"}, batch + "xz"};
    }
    return found->second;
  }

  void set_equation(Node& product) {
    const Letters& letters = letters_of(product);
    product.op = &find_op("einsum");
    product.attrs = Attrs();
    product.attrs.set("equation",
                      letters.operand[0] + "," + letters.operand[1] + "->" + letters.result);
  }

  Graph graph_;
  std::vector<std::vector<NodeId>> readers_;
  std::vector<bool> leaves_;            // read by an output or an update
  std::vector<bool> constant_;          // depends on weights alone
  std::map<NodeId, Letters> products_;  // that are einsums now
};

}  // namespace

Graph absorb_transposes(Graph graph) { return Absorber(std::move(graph)).run(); }

}  // namespace lamina::lower
