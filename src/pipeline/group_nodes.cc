// Which nodes of a graph make up which operator.
#include <algorithm>
#include <bit>
#include <map>
#include <queue>
#include <set>
#include <string>

#include "base/check.h"
#include "graph/op_def.h"
#include "graph/simplify.h"
#include "graph/work.h"
#include "pipeline/from_graph.h"
#include "pipeline/index.h"

namespace lamina::pipeline {
namespace {

// Products with a smaller share of the median product's operations are light.
constexpr double kHeavyShare = 0.2;
constexpr int kInput = -1;   // in place of a group: an input of the graph
constexpr int kShared = -2;  // prepares inputs; every reader has its own

// A set of nodes.
class Bits {
 public:
  explicit Bits(std::size_t size = 0) : words_((size + 63) / 64, 0) {}

  void set(std::size_t i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  bool test(std::size_t i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }
  void add(const Bits& other) {
    for (std::size_t w = 0; w < words_.size(); ++w) words_[w] |= other.words_[w];
  }
  bool within(const Bits& other) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      if ((words_[w] & ~other.words_[w]) != 0) return false;
    }
    return true;
  }
  // The smallest member that is in `other` too; -1: none.
  int first_in(const Bits& other) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const std::uint64_t both = words_[w] & other.words_[w];
      if (both != 0) return static_cast<int>(w * 64) + std::countr_zero(both);
    }
    return -1;
  }

 private:
  std::vector<std::uint64_t> words_;
};

bool multiplies(const Graph& graph, const Node& node) {
  if (node.op->kind == Kind::kContract) return true;
  const auto any = [](const Graph& inner) {
    return std::any_of(inner.nodes.begin(), inner.nodes.end(),
                       [&](const Node& each) { return multiplies(inner, each); });
  };
  if (std::any_of(node.graphs.begin(), node.graphs.end(), any)) return true;
  std::vector<Type> types;
  return is_composite(*node.op) && any(node.op->expand(view(graph, node, types)));
}

// Groups are named by their seeds.
class Grouper {
 public:
  Grouper(const Graph& graph, const Sizes& sizes) : graph_(graph), sizes_(sizes) {
    const std::size_t count = graph.nodes.size();
    groups_.resize(count, kInput);
    from_data_.resize(count, false);
    from_weights_.resize(count, false);
    heavy_.resize(count, false);
    heavy_set_ = Bits(count);
    readers_.resize(count);
    after_.resize(count, Bits(count));
    before_.resize(count, Bits(count));
    is_output_.resize(count, false);
  }

  std::vector<int> run() {
    find_readers();
    find_sources();
    find_heavy();
    find_shared();
    for (std::size_t n = 0; n < groups_.size(); ++n) {
      if (groups_[n] != kShared && !is_input(n)) assign(n);
    }
    for (std::size_t n = groups_.size(); n-- > 0;) move_to_reader(n);
    return groups_;
  }

 private:
  bool is_input(std::size_t n) const { return graph_.nodes[n].op->name == "input"; }

  void find_readers() {
    for (std::size_t n = 0; n < groups_.size(); ++n) {
      for (const Value& v : graph_.nodes[n].inputs) readers_[at(v.node)].push_back(n);
    }
    for (const Output& output : graph_.outputs) is_output_[at(output.value.node)] = true;
    for (const Update& update : graph_.updates) is_output_[at(update.next.node)] = true;
  }

  void find_sources() {
    for (const Input& input : graph_.inputs) {
      (input.role == Role::kWeight ? from_weights_ : from_data_)[at(input.node)] = true;
    }
    for (std::size_t n = 0; n < groups_.size(); ++n) {
      for (const Value& v : graph_.nodes[n].inputs) {
        if (from_data_[at(v.node)]) from_data_[n] = true;
        if (from_weights_[at(v.node)]) from_weights_[n] = true;
      }
    }
  }

  // Whether rows that data picks are read out of weights.
  bool reads_table(const Node& node) const {
    if (node.op->name != "gather" && node.op->name != "embedding") return false;
    const std::size_t table = at(node.inputs[0].node), places = at(node.inputs[1].node);
    return from_weights_[table] && !from_data_[table] && from_data_[places];
  }

  // Where nothing multiplies, whatever computes counts as a product.
  void find_heavy() {
    std::vector<double> flops(groups_.size(), 0.0);
    for (const bool products_only : {true, false}) {
      for (std::size_t n = 0; n < groups_.size(); ++n) {
        const Node& node = graph_.nodes[n];
        if (!from_data_[n] || is_input(n) || (products_only && !multiplies(graph_, node))) continue;
        flops[n] = count_flops(graph_, node, sizes_);
      }
      if (std::any_of(flops.begin(), flops.end(), [](double f) { return f > 0.0; })) break;
    }
    std::vector<double> sorted;
    std::copy_if(flops.begin(), flops.end(), std::back_inserter(sorted),
                 [](double f) { return f > 0.0; });
    std::sort(sorted.begin(), sorted.end());
    const double enough = sorted.empty() ? 0.0 : kHeavyShare * sorted[sorted.size() / 2];
    for (std::size_t n = groups_.size(); n-- > 0;) {
      heavy_[n] = (flops[n] > 0.0 && flops[n] >= enough) || reads_table(graph_.nodes[n]);
      for (const std::size_t reader : readers_[n]) {
        after_[n].add(after_[reader]);
        if (heavy_[reader] || is_output_[reader]) after_[n].set(reader);
      }
      if (heavy_[n]) heavy_set_.set(n);
    }
  }

  // Light nodes of data alone or of weights alone that read nothing else.
  void find_shared() {
    for (std::size_t n = 0; n < groups_.size(); ++n) {
      if (is_input(n) || heavy_[n] || is_output_[n] || (from_data_[n] && from_weights_[n]))
        continue;
      const std::vector<Value>& inputs = graph_.nodes[n].inputs;
      const bool prepares = std::all_of(inputs.begin(), inputs.end(), [&](const Value& v) {
        return is_input(at(v.node)) || groups_[at(v.node)] == kShared;
      });
      if (prepares) groups_[n] = kShared;
    }
  }

  std::set<int> groups_read(std::size_t n) const {
    std::set<int> groups;
    for (const Value& v : graph_.nodes[n].inputs) {
      if (groups_[at(v.node)] >= 0) groups.insert(groups_[at(v.node)]);
    }
    return groups;
  }

  int choose(std::size_t n, const std::set<int>& read) const {
    if (heavy_[n]) return static_cast<int>(n);
    for (const int last : read) {
      const bool follows_all = std::all_of(read.begin(), read.end(), [&](int other) {
        return other == last || before_[at(last)].test(at(other));
      });
      if (follows_all) return last;
    }
    const int next = after_[n].first_in(heavy_set_);
    if (next < 0) return static_cast<int>(n);
    Bits known = after_[at(next)];
    known.set(at(next));
    return after_[n].within(known) ? next : static_cast<int>(n);
  }

  void assign(std::size_t n) {
    const std::set<int> read = groups_read(n);
    const int group = groups_[n] = choose(n, read);
    for (const int other : read) {
      if (other == group) continue;
      before_[at(group)].set(at(other));
      before_[at(group)].add(before_[at(other)]);
    }
  }

  double bytes(Value v) const {
    const Type& type = graph_.type(v);
    const DTypeTraits& t = traits(type.dtype);
    return static_cast<double>(element_count(evaluate(type.shape, sizes_))) / t.block_elements *
           t.block_bytes;
  }

  bool leaves_group(std::size_t n) const {
    return is_output_[n] || std::any_of(readers_[n].begin(), readers_[n].end(),
                                        [&](auto reader) { return groups_[reader] != groups_[n]; });
  }

  // A light node that only another group reads goes there when that makes less leave its own: the
  // norm behind a value that leaves anyway, for one.
  void move_to_reader(std::size_t n) {
    const int group = groups_[n];
    if (group < 0 || at(group) == n || is_output_[n] || readers_[n].empty()) return;
    const int reader = groups_[readers_[n].front()];
    const bool one = std::all_of(readers_[n].begin(), readers_[n].end(),
                                 [&](std::size_t each) { return groups_[each] == reader; });
    if (!one || reader == group || reader < 0) return;
    double now = 0.0, then = 0.0;
    for (std::size_t k = 0; k < graph_.nodes[n].types.size(); ++k) {
      now += bytes({static_cast<NodeId>(n), static_cast<std::int32_t>(k)});
    }
    const std::set<Value> inputs(graph_.nodes[n].inputs.begin(), graph_.nodes[n].inputs.end());
    for (const Value& v : inputs) {
      if (groups_[at(v.node)] == group && !leaves_group(at(v.node))) then += bytes(v);
    }
    if (then < now) groups_[n] = reader;
  }

  const Graph& graph_;
  const Sizes& sizes_;
  std::vector<int> groups_;
  std::vector<bool> from_data_;
  std::vector<bool> from_weights_;
  std::vector<bool> heavy_;
  std::vector<bool> is_output_;
  std::vector<std::vector<std::size_t>> readers_;
  Bits heavy_set_;
  std::vector<Bits> after_;   // heavy nodes and outputs that follow a node
  std::vector<Bits> before_;  // groups that a group follows, as far as they are known
};

// Numbers for the seeds in `groups`, so that edges go up; of those that could come next the first.
std::map<int, int> topological_numbers(const Graph& graph, const std::vector<int>& groups) {
  std::map<int, std::set<int>> next;
  std::map<int, int> waiting;
  for (const int group : groups) {
    if (group >= 0) waiting.emplace(group, 0);
  }
  for (std::size_t n = 0; n < groups.size(); ++n) {
    for (const Value& v : graph.nodes[n].inputs) {
      const int from = groups[static_cast<std::size_t>(v.node)];
      if (from < 0 || groups[n] < 0 || from == groups[n]) continue;
      if (next[from].insert(groups[n]).second) ++waiting[groups[n]];
    }
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (const auto& [group, count] : waiting) {
    if (count == 0) ready.push(group);
  }
  std::map<int, int> numbers;
  while (!ready.empty()) {
    const int group = ready.top();
    ready.pop();
    numbers.emplace(group, static_cast<int>(numbers.size()));
    for (const int to : next[group]) {
      if (--waiting[to] == 0) ready.push(to);
    }
  }
  check(numbers.size() == waiting.size(), "operators of graph '{}' wait for each other",
        graph.name);
  return numbers;
}

// Builds the graph in which every operator has its own copy of shared nodes.
class Copier {
 public:
  Copier(const Graph& graph, const std::vector<int>& groups)
      : graph_(graph), groups_(groups), numbers_(topological_numbers(graph, groups)) {
    for (const Node& node : graph.nodes) names_.insert(node.name);
  }

  Grouping run() {
    out_.graph = graph_;
    out_.graph.nodes.clear();
    out_.seeds.resize(numbers_.size(), -1);
    for (std::size_t n = 0; n < groups_.size(); ++n) {
      if (groups_[n] != kShared) copy(n, number(groups_[n]));
    }
    for (Input& input : out_.graph.inputs) input.node = places_.at({input.node, kInput});
    for (Output& output : out_.graph.outputs) output.value = placed(output.value, kInput);
    for (Update& update : out_.graph.updates) {
      update.state = places_.at({update.state, kInput});
      update.next = placed(update.next, kInput);
    }
    return std::move(out_);
  }

 private:
  int number(int group) const { return group < 0 ? group : numbers_.at(group); }

  // Where a value is for a reader in operator `reader`.
  Value placed(Value v, int reader) {
    const auto n = static_cast<std::size_t>(v.node);
    const int owner = groups_[n] == kShared ? reader : number(groups_[n]);
    const auto found = places_.find({v.node, owner});
    return {found != places_.end() ? found->second : copy(n, owner), v.output};
  }

  NodeId copy(std::size_t n, int owner) {
    Node node = graph_.nodes[n];
    for (Value& v : node.inputs) v = placed(v, owner);
    if (groups_[n] == kShared && copied_.contains(n)) node.name = fresh_name(node.name);
    copied_.insert(n);
    const auto place = static_cast<NodeId>(out_.graph.nodes.size());
    out_.graph.nodes.push_back(std::move(node));
    out_.operators.push_back(owner);
    places_.emplace(std::pair(static_cast<NodeId>(n), owner), place);
    if (groups_[n] == static_cast<int>(n)) out_.seeds[static_cast<std::size_t>(owner)] = place;
    return place;
  }

  std::string fresh_name(const std::string& name) {
    for (int i = 1;; ++i) {
      std::string other = fmt::format("{}_{}", name, i);
      if (names_.insert(other).second) return other;
    }
  }

  const Graph& graph_;
  const std::vector<int>& groups_;
  std::map<int, int> numbers_;
  Grouping out_;
  std::map<std::pair<NodeId, int>, NodeId> places_;  // of a node, as an operator sees it
  std::set<std::size_t> copied_;
  std::set<std::string> names_;
};

}  // namespace

Grouping group_nodes(const Graph& graph, const Sizes& sizes) {
  const Graph simple = simplify(graph, [](const OpDef&) { return false; });
  const std::vector<int> groups = Grouper(simple, sizes).run();
  return Copier(simple, groups).run();
}

}  // namespace lamina::pipeline
