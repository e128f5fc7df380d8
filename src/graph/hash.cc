// The two hashes of graphs, over a canonical stream of words.
//
// Inputs are numbered by their order among the inputs (states after all others), operators by their
// order among the operators, sizes by their order among the sizes; so names and the places of input
// nodes do not count, and everything else does.
#include "base/hash.h"

#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include "graph/op_def.h"

namespace lamina {
namespace {

class GraphHasher {
 public:
  GraphHasher(Hasher& hasher, const Graph& graph, bool contents)
      : hasher_(hasher), graph_(graph), contents_(contents), numbers_(graph.nodes.size(), 0) {}

  void run() {
    sizes();
    word(static_cast<int>(graph_.level));
    inputs();
    operators();
    updates();
    word(graph_.outputs.size());
    for (const Output& output : graph_.outputs) value(output.value);
  }

 private:
  template <class T>
  void word(T number) {
    hasher_.add(static_cast<std::int64_t>(number));
  }

  void real(double number) {
    if (std::isnan(number)) number = std::numeric_limits<double>::quiet_NaN();
    hasher_.add(std::bit_cast<std::int64_t>(number));
  }

  void sizes() {
    word(graph_.sizes.size());
    for (const SizeRange& size : graph_.sizes) {
      sizes_.emplace(size.name, Dim::size("s" + std::to_string(sizes_.size())));
      word(size.min);
      word(size.max);
    }
  }

  // The printed form of a canonical polynomial is canonical.
  void dims(const Dims& list) {
    word(list.size());
    for (const Dim& dim : list) {
      if (const auto constant = dim.constant()) {
        word(0);
        word(*constant);
      } else {
        word(1);
        hasher_.add(dim.substitute(sizes_).to_string());
      }
    }
  }

  void type(const Type& t) {
    word(static_cast<int>(t.dtype));
    dims(t.shape);
    dims(t.strides);
  }

  void input(const Input& entry) {
    numbers_[static_cast<std::size_t>(entry.node)] = next_number_++;
    word(static_cast<int>(entry.role));
    type(graph_.type({entry.node, 0}));
    if (entry.role == Role::kState) real(entry.initial);
    if (!contents_) return;
    word(entry.value.empty() ? 0 : 1);
    if (entry.value.empty()) return;
    const Tensor dense = entry.value.dense();
    hasher_.add(std::span<const std::byte>(dense.data(), dense.bytes()));
  }

  void inputs() {
    word(graph_.inputs.size());
    for (const bool states : {false, true}) {
      for (const Input& entry : graph_.inputs) {
        if ((entry.role == Role::kState) == states) input(entry);
      }
    }
  }

  void value(Value v) {
    word(numbers_[static_cast<std::size_t>(v.node)]);
    word(v.output);
  }

  void attr(const Attr& attr) {
    word(attr.index());
    if (const auto* flag = std::get_if<bool>(&attr)) word(*flag ? 1 : 0);
    if (const auto* whole = std::get_if<std::int64_t>(&attr)) word(*whole);
    if (const auto* number = std::get_if<double>(&attr)) real(*number);
    if (const auto* text = std::get_if<std::string>(&attr)) hasher_.add(*text);
    if (const auto* dtype = std::get_if<DType>(&attr)) word(static_cast<int>(*dtype));
    if (const auto* list = std::get_if<Dims>(&attr)) dims(*list);
    if (const auto* reals = std::get_if<std::vector<double>>(&attr)) {
      word(reals->size());
      for (const double number : *reals) real(number);
    }
  }

  void operators() {
    word(graph_.nodes.size());
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (node.op->name == "input") continue;
      numbers_[n] = next_number_++;
      hasher_.add(node.op->name);
      word(node.inputs.size());
      for (const Value& edge : node.inputs) value(edge);
      for (const auto& [name, value] : node.attrs) {
        hasher_.add(name);
        attr(value);
      }
      word(node.types.size());
      for (const Type& t : node.types) type(t);
      word(node.graphs.size());
      for (const Graph& inner : node.graphs) GraphHasher(hasher_, inner, contents_).run();
    }
  }

  // In the order of the states: all updates happen at once.
  void updates() {
    std::map<std::uint64_t, Value> sorted;
    for (const Update& update : graph_.updates) {
      sorted[numbers_[static_cast<std::size_t>(update.state)]] = update.next;
    }
    word(sorted.size());
    for (const auto& [state, next] : sorted) {
      word(state);
      value(next);
    }
  }

  Hasher& hasher_;
  const Graph& graph_;
  bool contents_;
  std::map<std::string, Dim, std::less<>> sizes_;
  std::vector<std::uint64_t> numbers_;  // per node
  std::uint64_t next_number_ = 0;
};

GraphHash hash(const Graph& graph, bool contents) {
  Hasher hasher;
  GraphHasher(hasher, graph, contents).run();
  return hasher.hex();
}

}  // namespace

GraphHash structure_hash(const Graph& graph) { return hash(graph, false); }
GraphHash content_hash(const Graph& graph) { return hash(graph, true); }

}  // namespace lamina
