// Times training steps of a network on one batch, on request: bench/train_step.py runs it beside
// PyTorch. Arguments: network (see network_names()), samples, optimiser, threads, then options of
// the network as name=value; "profile" as the last one prints the time of each kernel and ends.
// Lines on standard input: "save FILE" runs one pass and writes parameters, batch, loss and
// gradients; a number runs so many steps and prints the milliseconds of each.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>

#include "base/options.h"
#include "lamina/nn.h"
#include "nn/train/step_program.h"

namespace {

using namespace lamina;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

train::Network network_of(int count, char** arguments) {
  NetworkOptions options;
  for (int i = 5; i < count; ++i) {
    const std::string text = arguments[i];
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    for (const Flag& flag : flags(options)) {
      if (flag.name == text.substr(0, equals)) flag.set(text.substr(equals + 1));
    }
  }
  return network(arguments[1], options);
}

// Kernels by time, those of one operator and of one number of tasks together.
void print_profile(const std::vector<StepTime>& times, bool all) {
  struct Sum {
    double ms = 0.0, flops = 0.0;
    int count = 0;
  };
  std::map<std::string, Sum> sums;
  double total = 0.0;
  for (const StepTime& time : times) {
    Sum& sum = sums[all ? time.op + " " + time.name : time.op];
    sum.ms += time.ms;
    sum.flops += time.flops;
    ++sum.count;
    total += time.ms;
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [name, sum] : sums) order.emplace_back(-sum.ms, name);
  std::sort(order.begin(), order.end());
  for (const auto& [ms, name] : order) {
    const Sum& sum = sums[name];
    fmt::print("{:9.3f} ms {:5.1f} % {:5} x {:8.2f} GFLOP/s  {}\n", sum.ms, 100 * sum.ms / total,
               sum.count, sum.flops / sum.ms * 1e-6, name);
  }
  fmt::print("{:9.3f} ms in {} kernels\n", total, times.size());
}

void save(const std::string& path, const NamedTensors& parameters, const NamedTensors& batch,
          train::GradientProgram& program) {
  NamedTensors all;
  const double loss = program.run(batch);
  all["loss"] = Tensor::from_doubles(DType::kF32, {}, std::vector<double>{loss});
  for (const auto& [name, tensor] : parameters) all["parameter/" + name] = tensor;
  for (const auto& [name, tensor] : batch) all["batch/" + name] = tensor;
  for (const auto& [name, tensor] : program.gradients()) all["gradient/" + name] = tensor;
  save_safetensors(path, all);
}

int run(int count, char** arguments) {
  const train::Network network = network_of(count, arguments);
  const std::int64_t samples = std::stoll(arguments[2]);
  const RunOptions options{.threads = std::stoi(arguments[4])};
  const auto data = train::load_dataset({.samples = samples}, train::Split::kTraining, network);
  std::vector<std::int64_t> all(static_cast<std::size_t>(samples));
  for (std::int64_t i = 0; i < samples; ++i) all[static_cast<std::size_t>(i)] = i;
  const NamedTensors batch = data->batch(all);
  NamedTensors parameters = train::initial_parameters(network, 1);
  train::Optimizer optimizer({.optimizer = arguments[3]}, parameters, options);
  const Clock::time_point start = Clock::now();
  train::GradientProgram program(network, samples, find_device("cpu"), options);
  fmt::print(stderr, "compiled in {:.1f} s, {} kernels, {} fallbacks\n", ms_since(start) / 1e3,
             program.stats().kernels, program.stats().fallbacks);
  const std::string last = arguments[count - 1];
  if (last == "profile" || last == "profile_all") {
    // The least of several runs: other processes only add to it.
    std::vector<StepTime> least;
    double loaded = 1e9, again = 1e9, norm = 1e9, update = 1e9;
    for (int i = 0; i < 15; ++i) {
      Clock::time_point begin = Clock::now();
      const auto lap = [&](double& least_ms) {
        least_ms = std::min(least_ms, ms_since(begin));
        begin = Clock::now();
      };
      program.set_parameters(parameters);
      program.run(batch);
      lap(loaded);
      program.run(batch);
      lap(again);
      train::squared_norm(program.gradients());
      lap(norm);
      optimizer.step(program.gradients(), 1e-3);
      lap(update);
      const std::vector<StepTime> times = program.profile(batch);
      if (i == 0) least = times;
      for (std::size_t k = 0; k < times.size(); ++k) {
        least[k].ms = std::min(least[k].ms, times[k].ms);
      }
    }
    print_profile(least, last == "profile_all");
    fmt::print("with new parameters {:.2f} ms, again {:.2f}, norm {:.2f}, update {:.2f}\n", loaded,
               again, norm, update);
    return 0;
  }
  for (std::string word; std::cin >> word;) {
    if (word == "save") {
      std::string path;
      std::cin >> path;
      program.set_parameters(parameters);
      save(path, parameters, batch, program);
      fmt::print("saved\n");
    } else {
      for (int i = std::stoi(word); i > 0; --i) {
        const Clock::time_point begin = Clock::now();
        program.set_parameters(parameters);
        program.run(batch);
        train::squared_norm(program.gradients());
        optimizer.step(program.gradients(), 1e-3);
        fmt::print("{:.3f} ", ms_since(begin));
      }
      fmt::print("\n");
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 5) {
    fmt::print(stderr, "usage: train_step NETWORK SAMPLES OPTIMIZER THREADS [NAME=VALUE ...]\n");
    return 2;
  }
  return run(count, arguments);
}
