// Devices and programs: how a graph becomes something that runs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/graph.h"
#include "lamina/tensor.h"

namespace lamina {

// The memory of values that live only during a run.
struct Arena {
  std::shared_ptr<Buffer> buffer;  // grows to what the largest program needs
};

// How a program is compiled and run.
struct RunOptions {
  int threads = 0;        // 0: one per core that this process may use
  std::string cache_dir;  // compiled kernels; "": $XDG_CACHE_HOME/lamina or ~/.cache/lamina
  int max_compiles = 64;  // compiler runs one program may cause; more throws kExhausted
  // For programs of the cpu device that never run at the same time. Absent: a program has its own.
  std::shared_ptr<Arena> arena;
};

// What a program is and has done; printed by the command line.
struct ProgramStats {
  std::int64_t kernels = 0;    // generated kernels in the program
  std::int64_t compiles = 0;   // compiler runs that this program caused (cache misses)
  std::int64_t fallbacks = 0;  // nodes handed to the interpreter
  std::vector<std::string> fallback_ops;
  std::int64_t packed_weight_bytes = 0;  // made of weights at load: packs, and values of them alone
  std::int64_t plain_weight_bytes = 0;   // of weights that runs read as they are
  std::int64_t arena_bytes = 0;          // planned for the last size binding
};

// A step of one run, and how long it took.
struct StepTime {
  std::string name;        // of its node in the simplified graph
  std::string op;          // of that node
  std::int64_t tasks = 0;  // that threads share; 0: run by the host
  double flops = 0.0;
  double ms = 0.0;
};

// A compiled graph. Holds its weights and state. One run at a time per Program; different programs
// may run at the same time, also from within each other's tasks.
class Program {
 public:
  virtual ~Program() = default;

  // Gives the elements of the weight called `name` (required before the first run for weights
  // that the graph does not carry).
  virtual void set_weight(std::string_view name, const Tensor& value) = 0;
  // Runs on the inputs with role kInput or kDonated, in graph order; binds the named sizes from
  // their shapes. Returns the outputs, in graph order, freshly allocated. Throws kInvalidArgument
  // on a wrong count, dtype or shape, and on sizes that contradict each other or leave the range.
  virtual std::vector<Tensor> run(std::span<const Tensor> inputs) = 0;
  // The same, into caller's dense tensors of the right type: no allocation while running (after
  // the first run with a size binding).
  virtual void run_into(std::span<const Tensor> inputs, std::span<Tensor> outputs) = 0;
  // Runs once, timing every step; empty where the device cannot tell them apart.
  virtual std::vector<StepTime> profile(std::span<const Tensor> /*inputs*/) { return {}; }
  // The persistent state called `name`: on the host it shares elements with the program, of a GPU
  // it is a copy.
  virtual Tensor state(std::string_view name) = 0;
  virtual void reset_state() = 0;
  virtual const Graph& graph() const = 0;
  virtual ProgramStats stats() const = 0;
  // The generated code, one kernel after another; empty where nothing is generated.
  virtual std::string source() const { return {}; }
};

// A place where programs run. Stateless: constant objects listed in src/exec/devices.cc.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;
  virtual std::string description() const = 0;  // one line: processor, instruction set, compiler
  virtual std::unique_ptr<Program> compile(const Graph& graph, const RunOptions& options) const = 0;
};

// The devices present on this machine: "ref" always, "cpu" always, "cuda" where a driver
// finds a GPU of sm_80 or newer.
std::span<const Device* const> devices();
// Throws kNotFound that lists the devices.
const Device& find_device(std::string_view name);

// Compiles a copy of `graph` for `device`.
std::unique_ptr<Program> compile(const Graph& graph, const Device& device,
                                 const RunOptions& options = {});

}  // namespace lamina
