// lamina optimize: faster programs, equal to the models, and what became of them in numbers.
#include "lamina/optimize.h"

#include <fmt/core.h>

#include <filesystem>
#include <set>

#include "base/check.h"
#include "base/files.h"
#include "base/progress.h"
#include "base/stop.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/optimize_cuda.h"
#include "cli/optimize_page.h"
#include "cli/optimize_report.h"
#include "lamina/draw.h"
#include "lamina/io.h"
#include "lamina/threads.h"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCudaTarget = "cuda:";

struct OptimizeCommandOptions {
  std::vector<std::string> models;
  std::vector<std::string> fix;
  std::vector<std::string> size;
  std::string output_dir;
  std::string target = "cpu";
  std::string machine;
  Seconds budget{OptimizeOptions{}.budget_s};
  OptimizeOptions optimize;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("MODEL", self.models, "models: .lam, .onnx, folders with config.json and weights");
    visit("fix", self.fix, "NAME=FILE.npy: elements of an ONNX input that decides shapes");
    visit("size", self.size, "NAME=N: the value of a named size");
    visit("output_dir", self.output_dir, "folder for the results; it is made");
    visit("target", self.target, "a device of 'lamina devices', or cuda:sm_80, cuda:sm_90, ...");
    visit("machine", self.machine,
          "description of the machine (docs/formats.md); default: this one");
    visit("budget", self.budget, "time to spend on the search of each model");
    OptimizeOptions::fields(self.optimize, visit);
  }
};

// A model, what it is called in reports, and the folder of its results.
struct Job {
  std::string model;
  std::string name;
  fs::path folder;
};

// One model's results lie in the folder itself, those of several in folders of their own.
std::vector<Job> plan_jobs(const OptimizeCommandOptions& options) {
  require(!options.output_dir.empty(), "--output-dir (-o) is required");
  const fs::path root = options.output_dir;
  std::set<std::string> taken;
  std::vector<Job> jobs;
  for (const std::string& model : options.models) {
    fs::path path = fs::path(model).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    std::string name = file_name(path.stem().string());
    while (!taken.insert(name).second) name += "_";
    jobs.push_back({model, name, options.models.size() == 1 ? root : root / name});
  }
  return jobs;
}

Graph load(const OptimizeCommandOptions& options, const Job& job) {
  ModelOptions model;
  model.model = job.model;
  model.fix = options.fix;
  model.size = options.size;
  return load_model(model);
}

// Weights that the model came without have random elements, made for the timings: they go.
Graph without_random_weights(const Graph& model, Graph result) {
  for (Input& input : result.inputs) {
    if (input.role != Role::kWeight) continue;
    const Value value = model.find(result.node({input.node, 0}).name);
    if (model.input(value.node)->value.empty()) input.value = Tensor();
  }
  return result;
}

void write_program(const Job& job, const Graph& model, const OptimizeResult& result) {
  std::vector<ClassProgram> classes;
  for (const OptimizeResult& each : result.classes) {
    if (each.graph.nodes.empty()) continue;
    classes.push_back({each.sizes, without_random_weights(model, each.graph)});
  }
  save_programs(job.folder.string(), without_random_weights(model, result.graph), classes);
  std::string source = result.source;
  for (const OptimizeResult& each : result.classes) {
    if (!each.graph.nodes.empty()) {
      source += fmt::format("// ---- {} ----\n{}", to_string(each.sizes), each.source);
    }
  }
  write_file_atomically((job.folder / "code.cc").string(), source);
}

void write_reports(const OptimizeCommandOptions& options, const Json& report,
                   std::span<const ProgramResult> programs,
                   std::span<const ProgramPictures> pictures) {
  const fs::path root = options.output_dir;
  make_folder(root);
  write_file_atomically((root / "report.json").string(), report.dump());
  write_file_atomically((root / "report.txt").string(),
                        report_head(report) + program_table(programs) + class_table(programs) +
                            region_table(programs));
  write_file_atomically((root / "report.html").string(),
                        report_page(report, pictures, options.output_dir));
}

void describe_machine(const OptimizeCommandOptions& options, const Device& device, Json& report) {
  report["version"] = 1;
  report["lamina"] = version();
  report["target"] = device.name();
  report["machine"] = device.description();
  report["options"] = to_json(options);
  report["programs"] = Json::Array{};
}

int optimize_for_gpu(const OptimizeCommandOptions& options, Json& report) {
  require(!options.optimize.size_classes, "--size-classes is for devices that programs run on");
  CudaOptions cuda;
  cuda.target = options.target.substr(kCudaTarget.size());
  cuda.machine = options.machine;
  cuda.budget_s = options.budget.value;
  cuda.seed = options.optimize.seed;
  cuda.cache_dir = options.optimize.cache_dir;
  report["version"] = 1;
  report["lamina"] = version();
  report["target"] = options.target;
  report["options"] = to_json(options);
  report["programs"] = Json::Array{};
  std::vector<ProgramPictures> pictures;
  for (const Job& job : plan_jobs(options)) {
    const Graph graph = load(options, job);
    Json row = optimize_model_for_cuda(graph, cuda, job.folder.string());
    row["name"] = job.name;
    row["model"] = job.model;
    Graph found = lamina::load_model((job.folder / "graph.lam").string());
    // Emitters need the machine: those that ship are known by the target's name.
    if (cuda.machine.empty()) found = with_thread_graphs(found, options.target);
    pictures.push_back({draw_svg(graph), draw_svg(found)});
    report["programs"].push_back(std::move(row));
  }
  const fs::path root = options.output_dir;
  write_file_atomically((root / "report.json").string(), report.dump());
  write_file_atomically((root / "report.html").string(),
                        report_page(report, pictures, options.output_dir));
  return kYes;
}

int optimize_models(const OptimizeCommandOptions& options, Json& report) {
  if (options.target.starts_with(kCudaTarget)) return optimize_for_gpu(options, report);
  const Device& device = find_device(options.target);
  const std::vector<Job> jobs = plan_jobs(options);
  OptimizeOptions search = options.optimize;
  search.budget_s = options.budget.value;
  if (!options.machine.empty()) search.machine = load_cpu_machine(options.machine);
  describe_machine(options, device, report);
  const Interrupt interrupt;
  std::vector<ProgramResult> programs;
  std::vector<ProgramPictures> pictures;
  for (const Job& job : jobs) {
    if (interrupt.requested()) break;
    ProgressLine line;
    const auto progress = [&](const std::string& what, double done) {
      line.show(fmt::format("{} ({} of {}): {:.0f} % {}", job.name, programs.size() + 1,
                            jobs.size(), 100.0 * done, what));
    };
    const Graph graph = load(options, job);
    programs.push_back({job.name, job.model, {}});
    programs.back().result = optimize(graph, device, search, interrupt.token(), progress);
    for (const std::string& warning : programs.back().result.warnings) {
      fmt::print(stderr, "lamina: warning: {}\n", warning);
    }
    write_program(job, graph, programs.back().result);
    const Graph& found = programs.back().result.graph;
    const bool generates = device.name() == "cpu";
    pictures.push_back(
        {draw_svg(graph), draw_svg(generates ? with_thread_graphs(found, "cpu") : found)});
    // What the report does not need is dropped: many models would fill the memory.
    programs.back().result.graph = {};
    for (OptimizeResult& each : programs.back().result.classes) each.graph = {};
    report["programs"].push_back(describe(programs.back()));
  }
  write_reports(options, report, programs, pictures);
  fmt::print("{}{}", program_table(programs), class_table(programs));
  if (programs.size() == 1) fmt::print("{}", region_table(programs));
  if (programs.size() == jobs.size()) return kYes;
  fail(ErrorCode::kExhausted, "stopped after {} of {} models", programs.size(), jobs.size());
}

}  // namespace

Command optimize_command() {
  return command<OptimizeCommandOptions>(
      "optimize", "find faster programs that compute the same as the models", optimize_models);
}

}  // namespace lamina::cli
