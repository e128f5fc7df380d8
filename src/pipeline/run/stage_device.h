// What one device of a stage has: its programs, the parameters, and the sums of their gradients.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "lamina/device.h"
#include "lamina/schedule.h"
#include "pipeline/run/ledger.h"
#include "pipeline/run/stage_program.h"

namespace lamina::pipeline {

// The tensors of a micro-batch between its passes, by the indices of their ports; empty: not there
// yet, or no longer needed.
struct MicroBatch {
  std::vector<Tensor> data;
  std::vector<Tensor> received;
  std::vector<Tensor> sent;
  std::vector<Tensor> seeds;
  std::vector<Tensor> kept;
  std::vector<Tensor> received_gradients;
  Tensor loss;
};

// What a pass is compiled from: element-wise chains are single passes over memory.
Graph as_compiled(const Graph& pass);

struct StageDeviceOptions {
  std::string device = "cpu";
  RunOptions run;
  double loss_seed = 1.0;  // the share of the batch that a pass works on
};

// `program` and `ledger` must outlive it.
class StageDevice {
 public:
  StageDevice(const StageProgram& program, const StageDeviceOptions& options, Ledger& ledger);

  MicroBatch micro_batch() const;
  // One pass: kForward, kBackward, kInputGradient or kWeightGradient. Its inputs must be there;
  // weight gradients are added up, in the order of the calls.
  void run(Action::Kind pass, MicroBatch& micro_batch);
  // Lets go of what no pass behind this one needs.
  void release(Action::Kind pass, MicroBatch& micro_batch);

  const StageProgram& program() const { return program_; }
  // Takes the elements as they are now; to be called again when they have changed.
  void set_parameters(const NamedTensors& parameters);
  void clear_gradients();
  // Of a weight that is trained, since then; zeros where no pass gave any.
  Tensor gradient(std::size_t weight);

 private:
  struct Pass {
    const PassProgram* program = nullptr;
    std::unique_ptr<Program> compiled;  // null: nothing to do
    std::vector<Shape> shapes;          // of the outputs
    std::vector<Port> last_uses;        // ports that no pass behind it needs
    bool has_run = false;               // then its sums are there
    bool loads = false;                 // the next run takes new weights
    std::int64_t made_of_weights = 0;   // bytes, as counted
  };

  void add_pass(Action::Kind kind, const PassProgram& program, const StageDeviceOptions& options);
  void find_last_uses();
  Tensor& at(const Port& port, MicroBatch& micro_batch);
  // Of a run: all but the weights.
  std::vector<Tensor> inputs_of(const PassProgram& pass, MicroBatch& micro_batch);
  void count_sums(Pass& pass);
  void count_made_of_weights(Pass& pass);

  const StageProgram& program_;
  Ledger& ledger_;
  std::array<Pass, 4> passes_;   // by kind
  std::vector<Tensor> weights_;  // by index of StageProgram::weights
  Tensor loss_seed_;
};

}  // namespace lamina::pipeline
