// Replacing large dimensions by small ones.
//
// A shrunk graph has the pattern of the old one: the same operators and wiring, equal dimensions
// where there were equal dimensions, 1 where there was 1. Real attributes stay (a scale 1/4096
// does), so a shrunk pair may differ where the full pair does not: only agreement says something,
// and it says it about the shrunk shapes.
#include "verify/shrink.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "base/check.h"
#include "graph/op_def.h"

namespace lamina {
namespace {

constexpr std::int64_t kSmallest = 3;  // of the sizes that replace large ones

using SizeMap = std::map<std::int64_t, std::int64_t>;

void collect(const Dims& dims, std::set<std::int64_t>& sizes) {
  for (const Dim& dim : dims) {
    if (const auto value = dim.constant()) sizes.insert(*value);
  }
}

void collect(const Graph& graph, std::set<std::int64_t>& sizes) {
  for (const Node& node : graph.nodes) {
    for (const Type& type : node.types) collect(type.shape, sizes);
    for (const auto& [name, value] : node.attrs) {
      if (const auto* dims = std::get_if<Dims>(&value)) collect(*dims, sizes);
      if (const auto* whole = std::get_if<std::int64_t>(&value)) sizes.insert(*whole);
    }
  }
}

// In ascending order: with `products` a product of sizes that occur becomes the product of their
// images; any other large size becomes a number from `smallest` on that no size has.
SizeMap make_map(const std::set<std::int64_t>& sizes, std::int64_t limit, std::int64_t smallest,
                 bool products) {
  SizeMap map;
  std::set<std::int64_t> taken;
  for (const std::int64_t size : sizes) {
    if (size > limit) continue;
    map[size] = size;
    taken.insert(size);
  }
  std::int64_t next = smallest;
  for (const std::int64_t size : sizes) {
    if (size <= limit) continue;
    for (auto at = map.rbegin(); products && at != map.rend(); ++at) {
      if (at->first < 2 || size % at->first != 0) continue;
      const auto cofactor = map.find(size / at->first);
      if (cofactor == map.end() || cofactor->first < 2) continue;
      map[size] = at->second * cofactor->second;
      taken.insert(map[size]);
      break;
    }
    if (map.contains(size)) continue;
    while (taken.contains(next)) next += 2;
    map[size] = next;
    taken.insert(next);
  }
  return map;
}

Dims mapped(const SizeMap& map, const Dims& dims) {
  Dims result;
  for (const Dim& dim : dims) {
    const auto value = dim.constant();
    result.push_back(value ? Dim(map.at(*value)) : dim);
  }
  return result;
}

Attrs mapped(const SizeMap& map, const Attrs& attrs) {
  Attrs result = attrs;
  for (const auto& [name, value] : attrs) {
    if (const auto* dims = std::get_if<Dims>(&value)) result.set(name, mapped(map, *dims));
    if (const auto* whole = std::get_if<std::int64_t>(&value)) result.set(name, map.at(*whole));
  }
  return result;
}

// The same equalities between dimensions, and the same ones.
class Pattern {
 public:
  bool add(const Dims& from, const Dims& to) {
    if (from.size() != to.size()) return false;
    for (std::size_t i = 0; i < from.size(); ++i) {
      if ((from[i] == Dim(1)) != (to[i] == Dim(1))) return false;
      if (image_.try_emplace(from[i], to[i]).first->second != to[i]) return false;
    }
    return true;
  }

 private:
  std::map<Dim, Dim> image_;
};

std::optional<Graph> mapped(const SizeMap& map, const Graph& graph) {
  Graph small = graph;
  Pattern pattern;
  for (Input& input : small.inputs) {
    Type& type = small.nodes[static_cast<std::size_t>(input.node)].types[0];
    const bool real = traits(type.dtype).is_float;
    const Dims shape = mapped(map, type.shape);
    // The elements of a shrunk integer tensor would have to be invented.
    if (!real && !input.value.empty() && shape != type.shape) return std::nullopt;
    if (real) input.value = {};
    type = {type.dtype, shape, {}};
  }
  for (std::size_t n = 0; n < small.nodes.size(); ++n) {
    Node& node = small.nodes[n];
    if (!node.graphs.empty()) return std::nullopt;
    if (node.op->name != "input") {
      node.attrs = mapped(map, node.attrs);
      std::vector<Type> types;
      node.types = node.op->infer(view(small, node, types));
    }
    const std::vector<Type>& before = graph.nodes[n].types;
    if (node.types.size() != before.size()) return std::nullopt;
    for (std::size_t k = 0; k < before.size(); ++k) {
      if (!pattern.add(before[k].shape, node.types[k].shape)) return std::nullopt;
    }
  }
  return small;
}

std::optional<Graph> shrunk(const SizeMap& map, const Graph& graph) {
  try {
    return mapped(map, graph);
  } catch (const Error& error) {
    // The operators do not fit together at these sizes.
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    return std::nullopt;
  }
}

std::optional<std::vector<Graph>> shrunk(const SizeMap& map, std::span<const Graph* const> graphs) {
  std::vector<Graph> small;
  for (const Graph* graph : graphs) {
    std::optional<Graph> one = shrunk(map, *graph);
    if (!one) return std::nullopt;
    small.push_back(std::move(*one));
  }
  return small;
}

// All graphs by one map. Sizes that are products by accident (8 sequences beside 64 and 4096
// elements) keep each other large: then no product is kept where the operators fit together all
// the same.
std::optional<std::vector<Graph>> shrink_all(std::span<const Graph* const> graphs,
                                             std::int64_t limit, std::int64_t smallest) {
  std::set<std::int64_t> sizes;
  for (const Graph* graph : graphs) collect(*graph, sizes);
  const SizeMap map = make_map(sizes, limit, smallest, true);
  const bool large = std::any_of(map.begin(), map.end(),
                                 [&](const auto& pair) { return pair.second > limit * limit; });
  if (large) {
    if (auto small = shrunk(make_map(sizes, limit, smallest, false), graphs)) return small;
  }
  return shrunk(map, graphs);
}

}  // namespace

std::optional<std::pair<Graph, Graph>> shrink_pair(const Graph& a, const Graph& b,
                                                   std::int64_t limit) {
  const Graph* const both[] = {&a, &b};
  auto small = shrink_all(both, limit, kSmallest);
  if (!small) return std::nullopt;
  return std::pair(std::move((*small)[0]), std::move((*small)[1]));
}

std::optional<Graph> shrink_sizes(const Graph& graph, std::int64_t limit, std::int64_t smallest) {
  require(limit >= 1, "sizes cannot be limited to {}", limit);
  const Graph* const one[] = {&graph};
  auto small = shrink_all(one, limit, smallest);
  return small ? std::optional(std::move(small->front())) : std::nullopt;
}

}  // namespace lamina
