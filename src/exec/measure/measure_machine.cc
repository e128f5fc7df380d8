// Measures the processor: peaks by loops of our own, element-wise rates by generated code.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <limits>
#include <string>
#include <type_traits>

#include "base/check.h"
#include "base/thread_pool.h"
#include "exec/cpu/target.h"
#include "kernels/peak.h"
#include "lamina/bench.h"
#include "lamina/machine.h"

namespace lamina {
namespace {

template <class Work>
double seconds_of(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return taken.count();
}

template <class Work>
double best_seconds(int tries, Work&& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < tries; ++i) best = std::min(best, seconds_of(work));
  return best;
}

constexpr std::int64_t kFew = 256;
constexpr std::int64_t kMany = 2304;  // three arrays of them fit in the nearest cache
constexpr int kTries = 300;

// The program that applies `op` to at most that many elements, on one thread.
std::unique_ptr<Program> compile_apply(const std::string& op, int operands,
                                       const std::string& cache_dir) {
  Graph graph;
  graph.name = op;
  graph.sizes = {{"N", kFew, kMany}};
  const Dim n = Dim::size("N");
  std::vector<Value> inputs;
  for (int i = 0; i < operands; ++i) {
    inputs.push_back(
        graph.add_input("x" + std::to_string(i), {DType::kF32, {n}, {}}, Role::kInput));
  }
  graph.add_output("y", graph.add(op, inputs));
  return compile(graph, find_device("cpu"), {.threads = 1, .cache_dir = cache_dir});
}

// A task for each row, which hardly does anything.
std::unique_ptr<Program> compile_rows(const std::string& cache_dir) {
  const Graph graph = parse_graph(fmt::format(R"(lamina 1
graph rows[N: {}..{}](x: f32[N, 8]) {{
  y = block(x, grid=[N]) {{
    row = load(x, grid=[0], tile=[1, 8])
    return store(neg(row), grid=[0], shape=[N, 8])
  }}
  return y
}})",
                                              kFew, kMany));
  return compile(graph, find_device("cpu"), {.threads = 1, .cache_dir = cache_dir});
}

// Of one run with inputs of that shape.
double run_seconds(Program& program, const Shape& shape) {
  std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.5 + static_cast<double>(i) * 1e-4;
  const Tensor operand = Tensor::from_doubles(DType::kF32, shape, values);
  const std::vector<Tensor> inputs(program.graph().inputs.size(), operand);
  std::vector<Tensor> outputs = program.run(inputs);
  constexpr int kRuns = 16;  // between two looks at the clock
  return best_seconds(kTries,
                      [&] {
                        for (int run = 0; run < kRuns; ++run) program.run_into(inputs, outputs);
                      }) /
         kRuns;
}

// By the difference of two sizes: what a run costs apart from its elements is no part of it.
double elements_per_second(Program& program) {
  const double few = run_seconds(program, {kFew});
  const double many = run_seconds(program, {kMany});
  return many > few ? (kMany - kFew) / (many - few) : kMany / many;
}

double task_seconds(Program& rows) {
  const double few = run_seconds(rows, {kFew, 8});
  const double many = run_seconds(rows, {kMany, 8});
  return std::max(many - few, 1e-9) / (kMany - kFew);
}

// Read by one core again and again: half of what a cache holds, but more than the one before it.
double cache_bytes_per_second(std::int64_t smaller_bytes, std::int64_t cache_bytes) {
  const std::int64_t bytes = std::max(cache_bytes / 2, 2 * smaller_bytes);
  // The same amount of work for every cache.
  const int tries = static_cast<int>(
      std::clamp<std::int64_t>(kTries * (std::int64_t{256} << 10) / bytes, 10, kTries));
  const std::vector<std::uint64_t> memory(static_cast<std::size_t>(bytes) / sizeof(std::uint64_t),
                                          1);
  std::uint64_t word = 0;
  const double seconds = best_seconds(tries, [&] { word ^= kernels::read_all(memory); });
  check(word <= 1, "impossible sum");  // the result is used, so that the loop stays
  return static_cast<double>(bytes) / seconds;
}

// Long enough that no thread takes the task of another.
constexpr double kTaskSeconds = 20e-6;

double launch_seconds(int threads) {
  ThreadPool pool(threads);
  auto task = [](std::int64_t begin, std::int64_t end, int) {
    const auto start = std::chrono::steady_clock::now();
    const auto wanted =
        std::chrono::duration<double>(kTaskSeconds * static_cast<double>(end - begin));
    while (std::chrono::steady_clock::now() - start < wanted) {
    }
  };
  std::vector<double> times;
  for (int i = 0; i < kTries; ++i) {
    times.push_back(seconds_of([&] { pool.parallel_for(threads, task); }) - kTaskSeconds);
  }
  // Not the best: how soon the others come is what is asked.
  std::nth_element(times.begin(), times.begin() + kTries / 2, times.end());
  return std::max(times[kTries / 2], 1e-9);  // the clock may see nothing
}

int vector_registers(int vector_bytes) {
#if defined(__x86_64__)
  return vector_bytes == 64 ? 32 : 16;
#else
  static_cast<void>(vector_bytes);
  return 32;
#endif
}

// Further digits are noise.
double rounded(double rate) { return std::stod(fmt::format("{:.3e}", rate)); }

}  // namespace

CpuMachine measure_cpu_machine(const RunOptions& options) {
  // Several compilers at a time, before anything is measured.
  const auto start = [&](const char* op, int operands) {
    return std::async(std::launch::async,
                      [=, &options] { return compile_apply(op, operands, options.cache_dir); });
  };
  auto add = start("add", 2);
  auto exp = start("exp", 1);
  auto div = start("div", 2);
  auto sqrt = start("sqrt", 1);
  auto rows = std::async(std::launch::async, [&] { return compile_rows(options.cache_dir); });
  const std::unique_ptr<Program> programs[] = {add.get(), exp.get(), div.get(), sqrt.get(),
                                               rows.get()};

  const cpu::Target target = cpu::detect_target();
  CpuMachine machine;
  machine.name = cpu::processor_name();
  machine.cores = options.threads > 0 ? options.threads : usable_cores();
  machine.vector_bytes = target.vector_bytes;
  machine.vector_registers = vector_registers(target.vector_bytes);
  machine.l1_bytes = target.l1_bytes;
  machine.l2_bytes = target.l2_bytes;
  machine.l3_bytes = cpu::shared_cache_bytes();
  machine.elements_per_second = elements_per_second(*programs[0]);
  machine.exp_per_second = elements_per_second(*programs[1]);
  machine.div_per_second = elements_per_second(*programs[2]);
  machine.sqrt_per_second = elements_per_second(*programs[3]);
  const MachinePeaks one = measure_peaks(1);
  const MachinePeaks all = machine.cores == 1 ? one : measure_peaks(machine.cores);
  machine.flops_f32 = one.f32_gflop_s * 1e9;
  machine.bytes_per_second = one.read_gb_s * 1e9;
  machine.all_cores_bytes_per_second = all.read_gb_s * 1e9;
  machine.l2_bytes_per_second = cache_bytes_per_second(target.l1_bytes, target.l2_bytes);
  if (machine.l3_bytes > 0) {
    machine.l3_bytes_per_second = cache_bytes_per_second(machine.l2_bytes, machine.l3_bytes);
  }
  machine.launch_seconds = launch_seconds(machine.cores);
  machine.task_seconds = task_seconds(*programs[4]);
  CpuMachine::fields(machine, [](std::string_view, auto& field) {
    if constexpr (std::is_same_v<decltype(field), double&>) field = rounded(field);
  });
  return machine;
}

}  // namespace lamina
