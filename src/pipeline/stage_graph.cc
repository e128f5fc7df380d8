// Edges between stages, paths to sinks, and what follows from them.
#include "pipeline/stage_graph.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "pipeline/interleaved.h"

namespace lamina::pipeline {

std::vector<int> stage_of_operators(const Computation& computation, const Plan& plan) {
  std::vector<int> stages(computation.operators.size(), -1);
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    for (const int op : plan.stages[s].operators) {
      stages[static_cast<std::size_t>(op)] = static_cast<int>(s);
    }
  }
  return stages;
}

std::vector<StageEdge> stage_edges(const Computation& computation, const Plan& plan) {
  const std::vector<int> stages = stage_of_operators(computation, plan);
  std::map<std::tuple<int, int, int>, double> bytes;
  for (const Edge& edge : computation.edges) {
    const int from = stages[static_cast<std::size_t>(edge.from)];
    const int to = stages[static_cast<std::size_t>(edge.to)];
    if (from == to) continue;
    double& known = bytes[{from, to, edge.from}];
    known = std::max(known, edge.bytes);
  }
  for (int s = 1; plan.chain && s < static_cast<int>(plan.stages.size()); ++s) {
    const auto first = bytes.lower_bound({s - 1, s, -1});
    const std::vector<int>& operators = plan.stages[static_cast<std::size_t>(s - 1)].operators;
    if (first == bytes.end() || first->first >= std::tuple{s - 1, s + 1, -1}) {
      bytes[{s - 1, s, operators.back()}] = 0.0;
    }
  }
  std::vector<StageEdge> edges;
  for (const auto& [key, size] : bytes) {
    edges.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), size});
  }
  return edges;
}

StageGraph stage_graph(const Computation& computation, const Plan& plan) {
  const std::size_t count = plan.stages.size();
  StageGraph graph{stage_edges(computation, plan), {}, {}, {}};
  graph.out.resize(count);
  graph.in.resize(count);
  std::vector<std::size_t> waiting(count, 0);
  for (std::size_t e = 0; e < graph.edges.size(); ++e) {
    graph.out[static_cast<std::size_t>(graph.edges[e].from)].push_back(static_cast<int>(e));
    graph.in[static_cast<std::size_t>(graph.edges[e].to)].push_back(static_cast<int>(e));
  }
  for (std::size_t s = 0; s < count; ++s) {
    waiting[s] = graph.in[s].size();
    if (waiting[s] == 0) graph.order.push_back(static_cast<int>(s));
  }
  for (std::size_t next = 0; next < graph.order.size(); ++next) {
    for (const int e : graph.out[static_cast<std::size_t>(graph.order[next])]) {
      const int to = graph.edges[static_cast<std::size_t>(e)].to;
      if (--waiting[static_cast<std::size_t>(to)] == 0) graph.order.push_back(to);
    }
  }
  return graph;
}

int depth(const Computation& computation, const Plan& plan) {
  const StageGraph graph = stage_graph(computation, plan);
  std::vector<int> longest(plan.stages.size(), 1);
  for (auto s = graph.order.rbegin(); s != graph.order.rend(); ++s) {
    int& own = longest[static_cast<std::size_t>(*s)];
    for (const int e : graph.out[static_cast<std::size_t>(*s)]) {
      const int to = graph.edges[static_cast<std::size_t>(e)].to;
      own = std::max(own, longest[static_cast<std::size_t>(to)] + 1);
    }
  }
  return longest.empty() ? 0 : *std::max_element(longest.begin(), longest.end());
}

void set_in_flight(const Computation& computation, Plan& plan) {
  const StageGraph graph = stage_graph(computation, plan);
  if (is_interleaved(plan, graph)) {
    const std::vector<int> wanted = interleaved_in_flight(plan);
    for (std::size_t s = 0; s < wanted.size(); ++s) plan.stages[s].in_flight = wanted[s];
    return;
  }
  std::vector<std::int64_t> samples(plan.stages.size(), 0);
  for (auto s = graph.order.rbegin(); s != graph.order.rend(); ++s) {
    Stage& stage = plan.stages[static_cast<std::size_t>(*s)];
    std::int64_t& own = samples[static_cast<std::size_t>(*s)];
    const std::int64_t step = std::int64_t{stage.run} * stage.micro_batch;
    own = step;
    for (const int e : graph.out[static_cast<std::size_t>(*s)]) {
      const auto to = static_cast<std::size_t>(graph.edges[static_cast<std::size_t>(e)].to);
      const Stage& next = plan.stages[to];
      const std::int64_t theirs = std::int64_t{next.run} * next.micro_batch;
      own = std::max(own, samples[to] + std::max(step, theirs));
    }
  }
  const std::int64_t most = *std::max_element(samples.begin(), samples.end());
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    Stage& stage = plan.stages[s];
    const bool ahead = plan.schedule == ScheduleKind::kZeroBubble;
    const std::int64_t wanted = ahead ? 2 * most - stage.micro_batch : samples[s];
    const int all = plan.batch / stage.micro_batch;
    const std::int64_t needed = (wanted + stage.micro_batch - 1) / stage.micro_batch;
    const bool has_all = plan.schedule == ScheduleKind::kGPipe || needed > all;
    stage.in_flight = has_all ? all : static_cast<int>(needed);
  }
}

}  // namespace lamina::pipeline
