// Which elements are compared, and what their verdicts say together.
#include "verify/elements.h"

#include <fmt/core.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/thread_pool.h"
#include "verify/cone.h"
#include "verify/evaluate.h"
#include "verify/secret_random.h"

namespace lamina {
namespace {

constexpr double kMostPoints = 2e6;  // of one element in one graph; bounds take 1 kB for each
constexpr double kFewPoints = 1e5;   // in both graphs: then elements are checked at the same time

// Outputs, then the next values of states, as value_names() calls them.
std::vector<Value> compared_values(const Graph& graph) {
  std::vector<Value> values;
  for (const Output& output : graph.outputs) values.push_back(output.value);
  for (const Input& input : graph.inputs) {
    if (input.role != Role::kState) continue;
    values.push_back({input.node, 0});
    for (const Update& update : graph.updates) {
      if (update.state == input.node) values.back() = update.next;
    }
  }
  return values;
}

// The last element, one of the middle third of every axis, the first, then drawn ones: along each
// axis the first, the last or any place. So the last tile of every axis, which may be cut short,
// and others take part, whatever the tiles are.
std::vector<Shape> choose_elements(const Shape& shape, int count, SecretRandom& random) {
  const auto place = [&](std::int64_t first, std::int64_t end) {
    return first + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(end - first)));
  };
  std::set<Shape> seen;
  std::vector<Shape> elements;
  for (int k = 0; k < count; ++k) {
    Shape at;
    for (const std::int64_t extent : shape) {
      const std::uint64_t kind = k < 3 ? static_cast<std::uint64_t>(k) : random.below(6);
      at.push_back(kind == 0   ? extent - 1
                   : kind == 2 ? 0
                   : k == 1    ? place(extent / 3, extent - extent / 3)
                               : place(0, extent));
    }
    if (seen.insert(at).second) elements.push_back(std::move(at));
  }
  return elements;
}

// An output of one of the two graphs.
struct Side {
  const Graph& graph;
  Value value;
};

// Both cones, with the inputs that either reads.
std::pair<Cone, Cone> cones(const Side& a, const Side& b, const Box& box) {
  InputParts parts = make_cone(a.graph, a.value, box, kMostPoints).read;
  const InputParts others = make_cone(b.graph, b.value, box, kMostPoints).read;
  bool any = false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (others[i]) parts[i] = parts[i] ? hull(*parts[i], *others[i]) : *others[i];
    any = any || parts[i];
  }
  if (!any) parts.clear();
  return {make_cone(a.graph, a.value, box, kMostPoints, parts),
          make_cone(b.graph, b.value, box, kMostPoints, parts)};
}

// Notes in `element` what its place needs. One thread at a time holds `heavy` for a large one.
Verdict check_element(const Side& a, const Side& b, const VerifyOptions& options,
                      CheckedElement& element, std::mutex& heavy) {
  VerifyOptions each = options;
  each.elements = 0;
  each.shrink = 0;
  each.match_names = false;
  try {
    const auto [x, y] = cones(a, b, {element.at, Shape(element.at.size(), 1)});
    element.operations = x.points + y.points;
    std::unique_lock lock(heavy, std::defer_lock);
    if (element.operations > kFewPoints) lock.lock();
    return verify(x.graph, y.graph, each);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    Verdict verdict;
    verdict.outcome = Outcome::kUnsupported;
    verdict.reason = error.what();
    return verdict;
  }
}

// An element of both graphs, and what is found out about it.
struct Pair {
  Side a;
  Side b;
  CheckedElement element;
  Verdict verdict;
};

// On all cores, unless primes are shared: who draws them first decides what they are.
void check_all(std::vector<Pair>& pairs, const VerifyOptions& options) {
  const auto count = static_cast<std::int64_t>(pairs.size());
  ThreadPool pool(
      options.primes ? 1 : static_cast<int>(std::clamp<std::int64_t>(count, 1, usable_cores())));
  std::mutex heavy;
  pool.parallel_for(count, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      Pair& pair = pairs[static_cast<std::size_t>(i)];
      pair.verdict = check_element(pair.a, pair.b, options, pair.element, heavy);
    }
  });
}

void add(const Verdict& one, Verdict& all) {
  all.passes += one.passes;
  all.compared += one.compared;
  all.uncompared += one.uncompared;
  all.branches = std::max(all.branches, one.branches);
  all.proved = all.proved && one.proved;
  if (one.bits) all.bits = std::min(*one.bits, all.bits.value_or(*one.bits));
  for (const auto& [function, count] : one.abstracted) {
    all.abstracted[function] = std::max(all.abstracted[function], count);
  }
  all.unsupported.insert(all.unsupported.end(), one.unsupported.begin(), one.unsupported.end());
}

}  // namespace

Verdict verify_elements(const Graph& a, const Graph& b, const VerifyOptions& options) {
  require(a.sizes.empty() && b.sizes.empty(),
          "elements are checked at one binding of the named sizes");
  require(!options.claims, "elements are checked without conditions on the inputs");
  const std::vector<Value> values_a = compared_values(a);
  const std::vector<Value> values_b = compared_values(b);
  const std::vector<std::string> names = value_names(a);
  SecretRandom random(SecretRandom::system_seed());
  Verdict all;
  all.outcome = Outcome::kEquivalent;
  all.proved = true;
  for (const Input& input : a.inputs) {
    const Node& node = a.nodes[static_cast<std::size_t>(input.node)];
    all.shapes.push_back(fmt::format("{} {}", node.name, to_string(node.types[0])));
  }
  std::vector<Pair> pairs;
  for (std::size_t k = 0; k < values_a.size(); ++k) {
    const Shape shape = *constant_shape(a.type(values_a[k]).shape);
    if (element_count(shape) == 0) continue;
    for (Shape& at : choose_elements(shape, options.elements, random)) {
      pairs.push_back({{a, values_a[k]}, {b, values_b[k]}, {names[k], std::move(at)}, {}});
    }
  }
  check_all(pairs, options);
  for (Pair& pair : pairs) {
    const Verdict& one = pair.verdict;
    pair.element.outcome = one.outcome;
    pair.element.bits = one.bits;
    all.elements.push_back(pair.element);
    add(one, all);
    if (one.outcome == Outcome::kEquivalent) continue;
    all.proved = false;
    all.outcome = one.outcome;
    all.short_of_bits = one.short_of_bits;
    all.reason =
        fmt::format("{}{}: {}", pair.element.output, to_string(pair.element.at), one.reason);
    if (!one.short_of_bits) return all;
  }
  if (all.short_of_bits) return all;
  all.reason =
      fmt::format("{} output elements, each with all that it needs, agree", all.elements.size());
  if (all.bits) all.reason += fmt::format(": {:.1f} bits are proved for each", *all.bits);
  return all;
}

}  // namespace lamina
