// Cutting and joining ranges of sizes.
#include "search/size_classes.h"

#include <algorithm>
#include <limits>

namespace lamina::search {
namespace {

// Programs change most where few rows become many: one row is a product with a vector, some eight
// fill a register tile, some hundred fill all cores.
constexpr std::int64_t kCuts[] = {1, 8, 32, 128, 512, 2048};

std::vector<SizeRange> parts_of(const SizeRange& range) {
  std::vector<SizeRange> parts;
  std::int64_t from = range.min;
  for (const std::int64_t cut : kCuts) {
    if (cut < from || cut >= range.max) continue;
    parts.push_back({range.name, from, cut});
    from = cut + 1;
  }
  parts.push_back({range.name, from, range.max});
  return parts;
}

// How far apart the ends of two neighbouring parts are.
double ratio(const SizeRange& low, const SizeRange& high) {
  return static_cast<double>(high.max) / static_cast<double>(std::max<std::int64_t>(1, low.min));
}

void join_nearest(std::vector<std::vector<SizeRange>>& parts) {
  double least = std::numeric_limits<double>::infinity();
  std::size_t name = 0;
  std::size_t at = 0;
  for (std::size_t n = 0; n < parts.size(); ++n) {
    for (std::size_t i = 0; i + 1 < parts[n].size(); ++i) {
      if (ratio(parts[n][i], parts[n][i + 1]) >= least) continue;
      least = ratio(parts[n][i], parts[n][i + 1]);
      name = n;
      at = i;
    }
  }
  parts[name][at].max = parts[name][at + 1].max;
  parts[name].erase(parts[name].begin() + static_cast<std::ptrdiff_t>(at) + 1);
}

std::size_t count_classes(const std::vector<std::vector<SizeRange>>& parts) {
  std::size_t count = 1;
  for (const auto& ranges : parts) count *= ranges.size();
  return count;
}

}  // namespace

std::vector<SizeClass> size_classes(const Graph& graph, std::size_t most) {
  std::vector<std::vector<SizeRange>> parts;
  for (const SizeRange& range : graph.sizes) parts.push_back(parts_of(range));
  while (count_classes(parts) > std::max<std::size_t>(1, most)) join_nearest(parts);
  std::vector<SizeClass> classes(1);
  for (const auto& ranges : parts) {
    std::vector<SizeClass> longer;
    for (const SizeClass& begun : classes) {
      for (const SizeRange& range : ranges) {
        longer.push_back(begun);
        longer.back().push_back(range);
      }
    }
    classes = std::move(longer);
  }
  return classes;
}

Graph with_ranges(const Graph& graph, const SizeClass& sizes) {
  Graph result = graph;
  for (SizeRange& range : result.sizes) {
    for (const SizeRange& wanted : sizes) {
      if (wanted.name == range.name) range = wanted;
    }
  }
  for (Node& node : result.nodes) {
    for (Graph& inner : node.graphs) inner = with_ranges(inner, sizes);
  }
  return result;
}

Graph narrow(const Graph& graph, const SizeClass& sizes) {
  Sizes fixed;
  for (const SizeRange& range : sizes) {
    if (range.min == range.max) fixed[range.name] = range.min;
  }
  return bind_sizes(with_ranges(graph, sizes), fixed);
}

std::optional<SizeClass> join(const SizeClass& a, const SizeClass& b) {
  SizeClass joined = a;
  int others = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const bool touch = a[i].max + 1 == b[i].min || b[i].max + 1 == a[i].min;
    if (!touch || ++others > 1) return std::nullopt;
    joined[i].min = std::min(a[i].min, b[i].min);
    joined[i].max = std::max(a[i].max, b[i].max);
  }
  return others == 1 ? std::optional(joined) : std::nullopt;
}

}  // namespace lamina::search
