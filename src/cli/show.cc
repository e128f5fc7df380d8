// lamina show: a model in the text form, or as a picture.
#include <fmt/core.h>

#include "base/files.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "lamina/bench.h"
#include "lamina/draw.h"
#include "lamina/threads.h"

namespace lamina::cli {
namespace {

struct ShowOptions {
  ModelOptions model;
  std::string svg;
  std::string threads;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    ModelOptions::fields(self.model, visit);
    visit("svg", self.svg, "write a picture of the graph to this file, not the text");
    visit("threads", self.threads,
          "show what each pass of the code for this target computes in registers: cpu, cuda:sm_90");
  }
};

void describe_graph(const Graph& graph, Json& report) {
  report["name"] = graph.name;
  report["structure_hash"] = structure_hash(graph);
  report["content_hash"] = content_hash(graph);
  report["nodes"] = static_cast<std::int64_t>(graph.nodes.size());
  report["sizes"] = Json::Array{};
  for (const SizeRange& size : graph.sizes) {
    Json row;
    row["name"] = size.name;
    row["min"] = size.min;
    row["max"] = size.max;
    report["sizes"].push_back(std::move(row));
  }
  report["inputs"] = Json::Array{};
  for (const Input& input : graph.inputs) {
    const Value value{input.node, 0};
    Json row = describe(graph.node(value).name, graph.type(value));
    row["role"] = role_name(input.role);
    report["inputs"].push_back(std::move(row));
  }
  report["outputs"] = Json::Array{};
  for (const Output& output : graph.outputs) {
    report["outputs"].push_back(describe(output.name, graph.type(output.value)));
  }
  if (graph.sizes.empty()) {
    const Work work = count_work(graph, {});
    report["flops"] = work.flops;
    report["bytes"] = work.bytes;
    report["tolerance"] = work.tolerance;
  }
  std::map<std::string, std::int64_t> counts;
  for (const Node& node : graph.nodes) ++counts[std::string(op_name(node))];
  for (const auto& [op, count] : counts) report["operators"][op] = count;
}

int show(const ShowOptions& options, Json& report) {
  Graph graph = load_model(options.model);
  if (!options.threads.empty()) graph = with_thread_graphs(graph, options.threads);
  if (options.svg.empty()) {
    fmt::print("{}", print_graph(graph));
  } else {
    write_file_atomically(options.svg, draw_svg(graph));
  }
  describe_graph(graph, report);
  return kYes;
}

}  // namespace

Command show_command() {
  return command<ShowOptions>("show", "print a model in the text form, or draw it", show);
}

}  // namespace lamina::cli
