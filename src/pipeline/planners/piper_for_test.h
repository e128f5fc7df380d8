// For tests: inputs of Piper (github.com/msr-fiddle/piper, README) and its own cost model. A node
// has, for each degree of tensor parallelism, up to two ways to run: time a sample, bytes of
// parameters, memory a * y + b with y samples in flight, and bytes to synchronise over each edge.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "pipeline/json_fields.h"
#include "pipeline/planners/chain_costs.h"
#include "pipeline/planners/piper.h"

namespace lamina::pipeline::test {

struct PiperAllowed {
  bool data = true;
  bool tensor = true;
  bool recompute = true;
};

class PiperInput {
 public:
  explicit PiperInput(const std::string& path) {
    const Json json = Json::parse(read_file(path));
    const JsonFields fields(json, path);
    batches_ = fields.integer("mbsInBatch");
    std::map<int, int> places;
    for (const Json& each : fields.array("nodes")) {
      places.emplace(JsonFields(each, path).integer("id"), static_cast<int>(places.size()));
    }
    for (const Json& each : fields.array("edges")) {
      const JsonFields edge(each, path);
      edges_.push_back({places.at(edge.integer("sourceId")), places.at(edge.integer("destId")),
                        edge.number("communicationCost")});
    }
    for (const Json& each : fields.array("nodes")) read_node(JsonFields(each, path), places);
  }

  // Seconds a sample of the slowest stage (infinite: nothing fits), and the number of stages.
  std::pair<double, int> solve(int devices, double memory, const PiperAllowed& allowed) const {
    const Downsets sets(static_cast<int>(nodes_.size()), pairs(), 40'000, Deadline(0.0));
    require(sets.complete(), "{}", sets.reason());
    std::vector<StageWay> ways;
    PiperProblem problem;
    problem.devices = devices;
    problem.most_sum = std::min(batches_, devices);
    problem.ways = [&](int inner, int outer) {
      ways.clear();
      const std::vector<int> nodes = sets.between(inner, outer);
      for (const int tensor : degrees(nodes, devices)) {
        if (tensor > 1 && !allowed.tensor) break;
        for (int data = 1; data * tensor <= devices; ++data) {
          if (data > 1 && !allowed.data) break;
          if (batches_ % data != 0) continue;
          ways.push_back(way(nodes, {tensor, data, memory, problem.most_sum}, allowed.recompute));
        }
      }
      return std::span<const StageWay>(ways);
    };
    const PiperResult result = fastest_chain(sets, problem, Deadline(0.0));
    return {result.seconds, static_cast<int>(result.stages.size())};
  }

  // The same for stages of equally many transformer layers, what stands before and after them in
  // the first and last stage or in two of their own; all with the same degrees, and all or none
  // recomputed (PipeDream-2BW's planner, as Piper's authors compare with it).
  double equal_stages(int devices, double memory) const {
    double best = std::numeric_limits<double>::infinity();
    for (const bool apart : {false, true}) {
      for (int count = 1; count <= devices; ++count) {
        const std::vector<std::vector<int>> stages = equal_split(count, apart);
        if (stages.empty()) continue;
        for (int data = 1; count * data <= std::min(devices, batches_); ++data) {
          for (int tensor = 1; count * data * tensor <= devices; ++tensor) {
            if (batches_ % data != 0 || nodes_.front().count(tensor) == 0) continue;
            for (const std::size_t variant : {std::size_t{0}, std::size_t{1}}) {
              best = std::min(best, slowest(stages, {tensor, data, memory, count}, variant));
            }
          }
        }
      }
    }
    return best;
  }

 private:
  struct Variant {
    std::string id;
    double seconds = 0.0, parameters = 0.0, a = 0.0, b = 0.0;
    std::map<int, double> in, out;  // bytes to synchronise, by the other node
  };
  struct Point {
    int tensor = 1;
    int data = 1;
    double memory = 0.0;
    int most_sum = 1;
  };
  // What a variant adds to a stage.
  struct Addend {
    double seconds = 0.0, a = 0.0, b = 0.0;
  };

  void read_node(const JsonFields& node, const std::map<int, int>& places) {
    auto& degrees = nodes_.emplace_back();
    layer_.push_back(node.text("name") == "ParallelTransformerLayer");
    for (const auto& [degree, variants] : node.at("TMPCs").object()) {
      for (const Json& each : variants.array()) {
        const JsonFields fields(each, node.place());
        Variant variant{fields.text("id"),
                        fields.number("timePerSample"),
                        fields.number("parameterSize"),
                        fields.number("memoryUsageA"),
                        fields.number("memoryUsageB"),
                        {},
                        {}};
        for (const auto& [key, bytes] : fields.at("syncTimeFw").object()) {
          variant.in[places.at(std::stoi(key))] = bytes.real();
        }
        for (const auto& [key, bytes] : fields.at("syncTimeBw").object()) {
          variant.out[places.at(std::stoi(key))] = bytes.real();
        }
        degrees[std::stoi(degree)].push_back(std::move(variant));
      }
    }
  }

  // Empty where there are more stages than layers.
  std::vector<std::vector<int>> equal_split(int count, bool apart) const {
    std::vector<int> before, layers, after;
    for (const int node : linear_order(static_cast<int>(nodes_.size()), pairs())) {
      if (layer_[at(node)]) {
        layers.push_back(node);
      } else {
        (feeds_layer(node) ? before : after).push_back(node);
      }
    }
    const int middle = count - (apart ? 2 : 0);
    if (middle < 1 || middle > static_cast<int>(layers.size())) return {};
    std::vector<std::vector<int>> stages(at(count));
    const auto all = static_cast<int>(layers.size());
    for (int s = 0, next = 0; s < middle; ++s) {
      const int size = all / middle + (s >= middle - all % middle ? 1 : 0);
      std::vector<int>& stage = stages[at(s + (apart ? 1 : 0))];
      stage.assign(layers.begin() + next, layers.begin() + next + size);
      next += size;
    }
    stages.front().insert(stages.front().end(), before.begin(), before.end());
    stages.back().insert(stages.back().end(), after.begin(), after.end());
    return stages;
  }

  bool feeds_layer(int node) const {
    return layer_[at(node)] || std::any_of(edges_.begin(), edges_.end(), [&](const Edge& edge) {
             return edge.from == node && feeds_layer(edge.to);
           });
  }

  double slowest(const std::vector<std::vector<int>>& stages, const Point& point,
                 std::size_t variant) const {
    double result = 0.0;
    for (std::size_t s = 0; s < stages.size(); ++s) {
      std::vector<bool> inside(nodes_.size(), false);
      for (const int node : stages[s]) inside[at(node)] = true;
      const auto in_flight = static_cast<double>(stages.size() - s);
      double sum = 0.0, bytes = 0.0;
      for (const int node : stages[s]) {
        const Variant& each = nodes_[at(node)].at(point.tensor).at(variant);
        sum += seconds(node, each, inside, point.data);
        bytes += each.a * in_flight + each.b;
      }
      if (bytes > point.memory) return std::numeric_limits<double>::infinity();
      result = std::max(result, sum);
    }
    return result;
  }

  std::vector<std::pair<int, int>> pairs() const {
    std::vector<std::pair<int, int>> result;
    for (const Edge& edge : edges_) result.emplace_back(edge.from, edge.to);
    return result;
  }

  // Degrees of tensor parallelism that all of the nodes have.
  std::vector<int> degrees(const std::vector<int>& nodes, int devices) const {
    std::vector<int> result;
    for (int degree = 1; degree <= devices; ++degree) {
      const auto has = [&](int node) { return nodes_[at(node)].count(degree) != 0; };
      if (std::all_of(nodes.begin(), nodes.end(), has)) result.push_back(degree);
    }
    return result;
  }

  StageWay way(const std::vector<int>& nodes, const Point& point, bool recompute) const {
    std::vector<bool> inside(nodes_.size(), false);
    for (const int node : nodes) inside[at(node)] = true;
    std::vector<std::vector<Addend>> choices;
    for (const int node : nodes) {
      std::vector<Addend>& variants = choices.emplace_back();
      for (const Variant& variant : nodes_[at(node)].at(point.tensor)) {
        if (variant.id != "vanilla" && !recompute) continue;
        variants.push_back({seconds(node, variant, inside, point.data), variant.a, variant.b});
      }
    }
    StageWay result{point.tensor * point.data, point.data, {}};
    for (int y = 1; (y - 1) * point.data < point.most_sum; ++y) {
      const double fastest = knapsack(choices, y, point.memory);
      if (fastest < 0.0) break;
      result.steps.push_back({y * point.data, fastest});
    }
    return result;
  }

  double seconds(int node, const Variant& variant, const std::vector<bool>& inside,
                 int data) const {
    double bytes = 0.0;
    for (const Edge& edge : edges_) {
      if (edge.to == node && !inside[at(edge.from)]) {
        bytes += 2.0 * (edge.bytes + variant.in.at(edge.from));
      }
      if (edge.from == node && !inside[at(edge.to)]) {
        bytes += 2.0 * (edge.bytes + variant.out.at(edge.to));
      }
    }
    const double reduce = 4.0 * (data - 1) * variant.parameters / data / batches_;
    return (bytes / data + reduce) / kBandwidth + variant.seconds / data;
  }

  // Of one variant for each node, within the memory at y in flight, about the least sum of seconds:
  // from the fastest ones on, those are changed that lose the least time for a byte. Negative:
  // nothing fits.
  static double knapsack(const std::vector<std::vector<Addend>>& choices, int y, double memory) {
    const auto bytes = [&](const Addend& addend) { return addend.a * y + addend.b; };
    double total = 0.0, used = 0.0, least = 0.0;
    std::vector<std::tuple<double, double, double>> swaps;  // seconds a byte, bytes, seconds
    for (const std::vector<Addend>& variants : choices) {
      const auto fastest =
          std::min_element(variants.begin(), variants.end(),
                           [](const Addend& x, const Addend& z) { return x.seconds < z.seconds; });
      double smallest = bytes(*fastest);
      for (const Addend& other : variants) {
        const double saved = bytes(*fastest) - bytes(other);
        const double lost = other.seconds - fastest->seconds;
        if (saved > 1e-9) swaps.emplace_back(lost / saved, saved, lost);
        smallest = std::min(smallest, bytes(other));
      }
      total += fastest->seconds;
      used += bytes(*fastest);
      least += smallest;
    }
    if (used <= memory) return total;
    if (least > memory) return -1.0;
    std::stable_sort(swaps.begin(), swaps.end(),
                     [](const auto& x, const auto& z) { return std::get<0>(x) < std::get<0>(z); });
    double over = used - memory;
    for (const auto& [rate, saved, lost] : swaps) {
      total += lost;
      over -= saved;
      if (over < 1e-9) break;
    }
    return total;
  }

  static std::size_t at(int index) { return static_cast<std::size_t>(index); }

  static constexpr double kBandwidth = 25.0 * (1LL << 30);
  int batches_ = 1;
  std::vector<std::map<int, std::vector<Variant>>> nodes_;  // by degree of tensor parallelism
  std::vector<bool> layer_;                                 // which are transformer layers
  std::vector<Edge> edges_;
};

}  // namespace lamina::pipeline::test
