// Plain matrix products with constant weights: Lamina against oneDNN, interleaved in one process.
//
//   onednn_matmul [OUT.json]      OMP_WAIT_POLICY, as always, says how oneDNN's threads wait
//   onednn_matmul serve M K N COUNT THREADS ROTATE_BYTES
//
// With `serve` oneDNN alone is a contender of bench/race.py: COUNT f32 products a run, each with
// weights of its own (bench/peers/protocol.py).
//
// Both pack the weights as they like before anything is timed, and are compared first. The weights
// of the large shape are copied until they fill 256 MiB and used in turn; the small ones, layers of
// MiniLM, stay in the cache.
#include <fmt/core.h>

#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "lamina/bench.h"
#include "lamina/error.h"

#ifndef LAMINA_HAVE_DNNL

int main() {
  fmt::print(stderr, "onednn_matmul: built without oneDNN; 'tools/run peers' installs it\n");
  return lamina::exit_status(lamina::ErrorCode::kUnsupported);
}

#else

#include <omp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <span>
#include <string_view>

namespace {

using namespace lamina;

struct Case {
  std::int64_t m, k, n;
  DType dtype;
  int threads;
  std::int64_t rotate_bytes;
};

Graph product(const Case& c) {
  Graph graph;
  const Value x = graph.add_input("x", {c.dtype, {c.m, c.k}, {}});
  const Value w = graph.add_input("w", {c.dtype, {c.k, c.n}, {}}, Role::kWeight);
  graph.add_output("y", graph.add("matmul", {x, w}));
  return fill_weights(graph, 1);
}

// A oneDNN product whose weights have the format that it chooses, in as many copies as
// ColdProgram makes.
class DnnlProduct {
 public:
  DnnlProduct(const Case& c, Tensor x, Tensor w) : x_(std::move(x)), y_(c.dtype, {c.m, c.n}) {
    using dnnl::memory;
    const auto type = c.dtype == DType::kF32 ? memory::data_type::f32 : memory::data_type::bf16;
    const memory::desc x_desc({c.m, c.k}, type, memory::format_tag::ab);
    const memory::desc y_desc({c.m, c.n}, type, memory::format_tag::ab);
    const memory::desc w_desc({c.k, c.n}, type, memory::format_tag::ab);
    const memory::desc any({c.k, c.n}, type, memory::format_tag::any);
    const dnnl::matmul::primitive_desc plan(dnnl::matmul::desc(x_desc, any, y_desc), engine_);
    product_ = dnnl::matmul(plan);
    implementation_ = plan.impl_info_str();
    x_memory_ = memory(x_desc, engine_, x_.data());
    y_memory_ = memory(y_desc, engine_, y_.data());
    memory given(w_desc, engine_, w.data());
    const auto bytes = static_cast<std::int64_t>(w.bytes());
    const std::int64_t copies = std::max<std::int64_t>(1, (c.rotate_bytes + bytes - 1) / bytes);
    for (std::int64_t i = 0; i < copies; ++i) {
      weights_.emplace_back(plan.weights_desc(), engine_);
      dnnl::reorder(given, weights_.back()).execute(stream_, given, weights_.back());
    }
    stream_.wait();
  }

  void run() {
    product_.execute(stream_, {{DNNL_ARG_SRC, x_memory_},
                               {DNNL_ARG_WEIGHTS, weights_[next_]},
                               {DNNL_ARG_DST, y_memory_}});
    stream_.wait();
    next_ = (next_ + 1) % weights_.size();
  }

  const Tensor& output() const { return y_; }
  const std::string& implementation() const { return implementation_; }

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Tensor x_;
  Tensor y_;
  dnnl::matmul product_;
  std::string implementation_;
  dnnl::memory x_memory_;
  dnnl::memory y_memory_;
  std::vector<dnnl::memory> weights_;
  std::size_t next_ = 0;
};

// Largest |got - want| in units of tolerance * (|want| + row mean of |want|).
double error_in_tolerances(const Tensor& got, const Tensor& want, double tolerance) {
  const std::vector<double> g = got.to_doubles();
  const std::vector<double> w = want.to_doubles();
  const auto row = static_cast<std::size_t>(want.shape().back());
  double worst = 0.0;
  for (std::size_t begin = 0; begin < w.size(); begin += row) {
    double mean = 0.0;
    for (std::size_t i = begin; i < begin + row; ++i) mean += std::abs(w[i]) / double(row);
    for (std::size_t i = begin; i < begin + row; ++i) {
      worst = std::max(worst, std::abs(g[i] - w[i]) / (tolerance * (std::abs(w[i]) + mean)));
    }
  }
  return worst;
}

// Turns of both. Each turn begins with an untimed run: for a while after the other's turn its idle
// threads still spin and take the processor.
template <class First, class Second>
std::pair<Timing, Timing> time_turns(First first, Second second) {
  constexpr double kSeconds = 0.4;
  std::vector<double> times[2];
  double spent_ms = 0.0;
  const auto turn = [&](auto& run, std::vector<double>& into) {
    run();
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - start;
    into.push_back(taken.count());
    spent_ms += 2.0 * taken.count();
  };
  for (int i = 0; i < 9 || (i < 2000 && spent_ms < 2.0 * kSeconds * 1e3); ++i) {
    turn(first, times[0]);
    turn(second, times[1]);
  }
  return {summarize(std::move(times[0])), summarize(std::move(times[1]))};
}

// Null where oneDNN has no implementation for this processor (bf16 without AVX-512, for one).
std::unique_ptr<DnnlProduct> dnnl_product(const Case& c, const Tensor& x, const Tensor& w) {
  try {
    return std::make_unique<DnnlProduct>(c, x, w);
  } catch (const dnnl::error& e) {
    if (e.status != dnnl_unimplemented) throw;
    return nullptr;
  }
}

Json describe(const Case& c, const Work& work, const Timing& ours) {
  Json row;
  row["m"] = c.m;
  row["k"] = c.k;
  row["n"] = c.n;
  row["dtype"] = traits(c.dtype).name;
  row["threads"] = c.threads;
  row["lamina_ms"] = ours.median_ms;
  row["spread"] = ours.spread;
  row["gflop_s"] = work.flops / ours.median_ms / 1e6;
  row["gb_s"] = work.bytes / ours.median_ms / 1e6;
  for (const char* key : {"onednn_ms", "ratio", "error", "onednn_kernel"}) row[key] = Json();
  return row;
}

Json race(const Case& c) {
  const Graph graph = product(c);
  const std::vector<Tensor> inputs = random_inputs(graph, {}, 2);
  const Work work = count_work(graph, {});
  RunOptions options;
  options.threads = c.threads;
  ColdProgram ours(graph, find_device("cpu"), options, c.rotate_bytes);
  ours.bind(inputs);
  omp_set_num_threads(c.threads);
  const auto theirs = dnnl_product(c, inputs[0].clone(), graph.inputs[1].value);
  if (!theirs) {
    const auto run = [&] { ours.run(); };
    return describe(c, work, time_turns(run, run).first);
  }
  theirs->run();
  const double error = error_in_tolerances(ours.outputs()[0], theirs->output(), work.tolerance);
  if (!(error <= 1.0)) {
    throw Error(ErrorCode::kInternal, fmt::format("[{}, {}] x [{}, {}] {}: {} tolerances apart",
                                                  c.m, c.k, c.k, c.n, traits(c.dtype).name, error));
  }
  const auto [our_time, their_time] = time_turns([&] { ours.run(); }, [&] { theirs->run(); });
  Json row = describe(c, work, our_time);
  row["onednn_ms"] = their_time.median_ms;
  row["ratio"] = their_time.median_ms / our_time.median_ms;
  row["error"] = error;
  row["onednn_kernel"] = theirs->implementation();
  return row;
}

std::string cell(const Json& value, const char* format) {
  return value.is_null() ? "-" : fmt::format(fmt::runtime(format), value.real());
}

void print_row(const Json& row) {
  const Json& kernel = row.at("onednn_kernel");
  fmt::print("| {} x {} x {} | {} | {} | {:.4f} | {} | {} | {:.0f} % | {:.1f} | {:.1f} | {} |\n",
             row.at("m").integer(), row.at("k").integer(), row.at("n").integer(),
             row.at("dtype").text(), row.at("threads").integer(), row.at("lamina_ms").real(),
             cell(row.at("onednn_ms"), "{:.4f}"), cell(row.at("ratio"), "{:.2f}"),
             100.0 * row.at("spread").real(), row.at("gflop_s").real(), row.at("gb_s").real(),
             kernel.is_null() ? "none here" : kernel.text());
  std::fflush(stdout);
}

Json race_all() {
  constexpr std::int64_t kLarge = 256 << 20;
  struct Shape {
    std::int64_t k, n, rotate_bytes;
  };
  Json rows = Json::Array{};
  fmt::print(
      "| M x K x N | type | threads | lamina ms | oneDNN ms | oneDNN / lamina | spread | "
      "GFLOP/s | GB/s | oneDNN kernel |\n|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Shape& shape : {Shape{4096, 4096, kLarge}, {384, 1536, 0}, {1536, 384, 0}}) {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      for (int i = 0; i < 10; ++i) {
        const std::int64_t m = std::array{1, 8, 16, 64, 512}[static_cast<std::size_t>(i % 5)];
        rows.push_back(race({m, shape.k, shape.n, dtype, 1 + i / 5, shape.rotate_bytes}));
        print_row(rows.array().back());
      }
    }
  }
  return rows;
}

void serve(const Case& c, std::int64_t count) {
  omp_set_num_threads(c.threads);
  const Graph graph = product(c);
  DnnlProduct products(c, random_inputs(graph, {}, 2)[0], graph.inputs[1].value);
  const auto run = [&] {
    for (std::int64_t i = 0; i < count; ++i) products.run();
  };
  run();
  fmt::print("ready\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line == "run";) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - start;
    fmt::print("{:.6f}\n", taken.count());
    std::fflush(stdout);
  }
}

// The numbers behind `serve`.
void serve(std::span<char*> words) {
  std::array<std::int64_t, 6> n{};
  require(words.size() == n.size(), "serve: expected M K N COUNT THREADS ROTATE_BYTES");
  for (std::size_t i = 0; i < n.size(); ++i) n[i] = std::atoll(words[i]);
  require(std::all_of(n.begin(), n.end() - 1, [](std::int64_t x) { return x > 0; }),
          "serve: sizes must be positive");
  const std::int64_t rotate = std::max(n[5], n[3] * n[1] * n[2] * 4);
  serve({n[0], n[1], n[2], DType::kF32, static_cast<int>(n[4]), rotate}, n[3]);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view(argv[1]) == "serve") {
      serve(std::span(argv + 2, argv + argc));
      return 0;
    }
    Json report;
    report["version"] = 1;
    report["machine"] = find_device("cpu").description();
    report["rows"] = race_all();
    if (argc > 1) write_file_atomically(argv[1], report.dump());
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "onednn_matmul: error: {}\n", e.what());
    return 1;
  }
}

#endif
