// lamina bench: how fast a model runs here, and how far that is from what the machine can do.
#include "lamina/bench.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>

#include "base/check.h"
#include "base/thread_pool.h"
#include "cli/bench_profile.h"
#include "cli/command.h"
#include "cli/model_data.h"
#include "cli/model_options.h"
#include "lamina/io.h"

namespace lamina::cli {
namespace {

struct BenchOptions {
  ModelOptions model;
  std::string data;
  std::string device = "cpu";
  RunOptions run;
  std::int64_t rotate_bytes = 0;
  Seconds time{1.0};
  std::int64_t seed = 1;
  bool serve = false;
  bool profile = false;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    ModelOptions::fields(self.model, visit);
    visit("data", self.data, "folder with NAME.npy of inputs and weights; default: random");
    visit("device", self.device, "where to run: see 'lamina devices'");
    visit("threads", self.run.threads, "worker threads; 0: one per core");
    visit("cache_dir", self.run.cache_dir, "folder of compiled kernels");
    visit("rotate_bytes", self.rotate_bytes, "copy weights to fill this, and use copies in turn");
    visit("time", self.time, "how long to measure, at least");
    visit("seed", self.seed, "of random inputs and weights");
    visit("serve", self.serve, "run once per line on standard input (docs/cli.md)");
    visit("profile", self.profile, "print how long each step takes");
  }
};

double input_and_output_bytes(const ModelData& data, std::span<const Tensor> outputs) {
  double bytes = 0.0;
  for (const Tensor& input : data.inputs) bytes += static_cast<double>(input.bytes());
  for (const Tensor& output : outputs) bytes += static_cast<double>(output.bytes());
  return bytes;
}

void save_outputs(std::span<const Tensor> outputs, const std::string& folder) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string path = (std::filesystem::path(folder) / fmt::format("{}.npy", i)).string();
    save_npy(path, traits(outputs[i].dtype()).is_float ? outputs[i].cast(DType::kF32) : outputs[i]);
  }
}

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

// Bytes that the runs of all copies go through.
std::int64_t working_set(const ColdProgram& program, const Work& work, const Json& report) {
  const double shared = report.at("input_output_bytes").real();
  return std::llround(shared + (work.bytes - shared) * static_cast<double>(program.copies()));
}

int thread_count(const BenchOptions& options) {
  return options.run.threads > 0 ? options.run.threads : usable_cores();
}

// Another process decides when to run, so that it can interleave this program with others.
void serve(ColdProgram& program, int threads, std::int64_t bytes) {
  say("ready");
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "run") {
      const auto start = std::chrono::steady_clock::now();
      program.run();
      const std::chrono::duration<double, std::milli> taken =
          std::chrono::steady_clock::now() - start;
      say(fmt::format("{:.6f}", taken.count()));
    } else if (line.starts_with("save ")) {
      save_outputs(program.outputs(), line.substr(5));
      say("saved");
    } else if (line == "peaks") {
      const MachinePeaks peaks = measure_peaks(threads, bytes);
      say(fmt::format("{:.3f} {:.3f}", peaks.read_gb_s, peaks.f32_gflop_s));
    } else {
      require(line == "quit", "expected run, save DIR, peaks or quit, got '{}'", line);
      return;
    }
  }
}

// One reached rate beside the measured peak.
void print_rate(const char* name, double rate, const char* unit, double peak) {
  fmt::print("{:<10} {:.1f} {}, {:.0f} % of the measured {:.1f}\n", name, rate, unit,
             peak > 0 ? 100.0 * rate / peak : 0.0, peak);
}

void print_program(const ProgramStats& stats) {
  std::string fallbacks;
  for (const std::string& op : stats.fallback_ops) fallbacks += " " + op;
  fmt::print("kernels    {} ({} compiled now), fallbacks: {}{}\n", stats.kernels, stats.compiles,
             stats.fallbacks, fallbacks);
  const auto mib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  fmt::print(
      "storage    {:.2f} MiB of packed and {:.2f} MiB of plain weights, {:.2f} MiB of arena\n",
      mib(stats.packed_weight_bytes), mib(stats.plain_weight_bytes), mib(stats.arena_bytes));
}

void measure(const BenchOptions& options, ColdProgram& program, const Work& work, Json& report) {
  const std::function<void()> run = [&] { program.run(); };
  const Timing timing =
      time_interleaved(std::span(&run, 1), {.min_seconds = options.time.value}).front();
  const int threads = thread_count(options);
  const MachinePeaks peaks = measure_peaks(threads, working_set(program, work, report));
  const double gb_s = work.bytes / timing.median_ms / 1e6;
  const double gflop_s = work.flops / timing.median_ms / 1e6;
  fmt::print("time       {:.4f} ms median of {} runs, best {:.4f}, spread {:.0f} %\n",
             timing.median_ms, timing.runs, timing.best_ms, 100.0 * timing.spread);
  print_rate("memory", gb_s, "GB/s", peaks.read_gb_s);
  print_rate("compute", gflop_s, "GFLOP/s", peaks.f32_gflop_s);
  report["threads"] = threads;
  report["median_ms"] = timing.median_ms;
  report["best_ms"] = timing.best_ms;
  report["spread"] = timing.spread;
  report["runs"] = timing.runs;
  report["gb_s"] = gb_s;
  report["gflop_s"] = gflop_s;
  report["peak_gb_s"] = peaks.read_gb_s;
  report["peak_gflop_s"] = peaks.f32_gflop_s;
  report["share_of_peak"] = std::max(gb_s / peaks.read_gb_s, gflop_s / peaks.f32_gflop_s);
}

ModelData load_data(const BenchOptions& options) {
  // Sizes are bound when the program runs, not when it is built: what is timed is the program
  // that serves all of them, or all of their class.
  ModelOptions model = options.model;
  model.size.clear();
  Graph graph = load_model(model);
  const Sizes sizes = sizes_of(graph, parse_sizes(options.model.size), options.data);
  graph = program_for(model, std::move(graph), sizes);
  return prepare_data(std::move(graph), sizes, options.data,
                      static_cast<std::uint64_t>(options.seed));
}

int bench(const BenchOptions& options, Json& report) {
  const Device& device = find_device(options.device);
  ModelData data = load_data(options);
  const Work work = count_work(data.graph, data.sizes);
  ColdProgram program(data.graph, device, options.run, options.rotate_bytes);
  data.graph = {};  // lets go of the elements of the weights
  program.bind(data.inputs);
  report["device"] = device.name();
  for (const auto& [name, value] : data.sizes) report["sizes"][name] = value;
  report["flops"] = work.flops;
  report["bytes"] = work.bytes;
  report["tolerance"] = work.tolerance;
  report["input_output_bytes"] = input_and_output_bytes(data, program.outputs());
  describe(program.first().stats(), report);
  if (options.serve) {
    serve(program, thread_count(options), working_set(program, work, report));
    return kYes;
  }
  measure(options, program, work, report);
  print_program(program.first().stats());
  if (options.profile) print_profile(program.first(), data.inputs, options.time.value, report);
  return kYes;
}

}  // namespace

Command bench_command() {
  return command<BenchOptions>("bench", "time a model and compare it with the machine's peaks",
                               bench);
}

}  // namespace lamina::cli
