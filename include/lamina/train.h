// Training: networks with a loss, optimisers, data, checkpoints, logs, and the loop of one process.
// A pipeline (lamina/pipeline_run.h) uses the same parts on many.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/device.h"
#include "lamina/graph.h"
#include "lamina/io.h"

namespace lamina::train {

// ---- Networks -----------------------------------------------------------------------------------

// The name of the one named size of a network's graph: samples of a batch.
inline constexpr std::string_view kSamples = "N";

// A network as it is trained. The graph's inputs of role kInput give N (or k * N) samples along
// their first axis; its weights are the parameters, by name. outputs[0] is the loss, a scalar f32:
// the mean over the N samples, so that a micro-batch's gradient, weighted by its share of the
// batch, adds up to the batch's. Further outputs ("logits", "correct") are per sample; "correct" is
// 1 where the answer is right and gives the accuracy. Batch statistics are out: they would couple
// samples.
struct Network {
  std::string name;
  Graph graph;
  std::vector<std::string> frozen;  // weights that are not trained
};

// Whether a graph's named size and first output are those of a network.
bool has_loss(const Graph& graph);
// Throws kInvalidArgument that names what breaks the contract above.
void validate(const Network& network);

// The weights that are trained, in the graph's order.
std::vector<std::string> trained_parameters(const Network& network);

// Elements for all weights (frozen ones too) in the dtype of the graph. A weight that carries
// elements keeps them. Otherwise its first reader decides: gains of norms are 1, biases 0, tables
// of embeddings normal with deviation 0.02, factors of products and filters normal with deviation
// sqrt(2 / fan-in). Each weight's stream depends on the seed and its name only, so a stage draws
// the same elements as the whole network. Every call gives fresh tensors.
NamedTensors initial_parameters(const Network& network, std::uint64_t seed);

// ---- Optimisers ---------------------------------------------------------------------------------

// The rule and its constants. Decay of weights is decoupled from the gradient for AdamW (Loshchilov
// and Hutter, arXiv:1711.05101) and added to it for the others, as in PyTorch.
struct OptimizerOptions {
  std::string optimizer = "adamw";  // sgd | momentum | adamw
  double momentum = 0.9;
  bool nesterov = false;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  bool decay_vectors = false;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("optimizer", self.optimizer, "sgd, momentum or adamw");
    visit("momentum", self.momentum, "of the optimiser momentum");
    visit("nesterov", self.nesterov, "Nesterov's momentum");
    visit("beta1", self.beta1, "AdamW: decay of the mean gradient");
    visit("beta2", self.beta2, "AdamW: decay of the mean squared gradient");
    visit("epsilon", self.epsilon, "AdamW: added to the root of the mean square");
    visit("weight_decay", self.weight_decay, "decay of weights, times the learning rate");
    visit("decay_vectors", self.decay_vectors, "decay parameters with fewer than two axes too");
  }
};

// Updates tensors that it shares with its maker. Parameters are f32, or bf16: then the optimiser
// holds f32 masters of them and rounds after each step. Gradients may be of either type. The update
// is a graph with one named size, compiled once per type.
class Optimizer {
 public:
  // Throws kInvalidArgument for options out of range and parameters of another type.
  Optimizer(const OptimizerOptions& options, NamedTensors parameters, const RunOptions& run = {});
  Optimizer(Optimizer&&) noexcept;
  Optimizer& operator=(Optimizer&&) noexcept;
  ~Optimizer();

  // One step along gradient_scale * gradients, which must have the names of the parameters (more
  // are ignored).
  void step(const NamedTensors& gradients, double learning_rate, double gradient_scale = 1.0);

  // Copies, keyed "<parameter>/<what>": "steps" (i64 scalar), "momentum", "mean", "square",
  // "master".
  NamedTensors state() const;
  // Takes what state() gave, of these parameters or of more. Throws kInvalidArgument that names
  // what is missing or has another shape.
  void load_state(const NamedTensors& state);
  std::int64_t state_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The sum of the squares of all elements, in f64, in an order that depends on names and shapes
// only: per tensor, then over tensors by name.
double squared_norm(const NamedTensors& gradients);
double squared_norm(const Tensor& gradient);
// What gradients are multiplied by so that their norm is at most `max_norm`; 1 when max_norm is 0.
double clip_factor(double squared_norm, double max_norm);

struct LearningRateOptions {
  std::string schedule = "constant";  // constant | cosine | linear | step
  double learning_rate = 1e-3;        // the largest
  std::int64_t warmup_steps = 0;      // rises linearly: step s of w has (s + 1) / w of it
  double final_fraction = 0.0;        // cosine, linear: what is left at the last step
  std::int64_t decay_every = 1000;    // step: every so many steps ...
  double decay_factor = 0.1;          // ... times this

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("schedule", self.schedule, "of the learning rate: constant, cosine, linear or step");
    visit("learning_rate", self.learning_rate, "the largest learning rate");
    visit("warmup_steps", self.warmup_steps, "steps in which the learning rate rises from 0");
    visit("final_fraction", self.final_fraction,
          "cosine, linear: the share of the learning rate that is left at the end");
    visit("decay_every", self.decay_every, "step: steps between decays");
    visit("decay_factor", self.decay_factor, "step: the factor of one decay");
  }
};
// Of step `step` (from 0) of `total_steps`. Throws kInvalidArgument for options out of range.
double learning_rate(const LearningRateOptions& options, std::int64_t step,
                     std::int64_t total_steps);

// ---- Data ---------------------------------------------------------------------------------------

// Samples that are read by their numbers. One thread at a time.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  // One tensor for each input of the network, by name, with these samples along the first axis (k
  // rows of each where the graph's input has k * N).
  virtual NamedTensors batch(std::span<const std::int64_t> samples) const = 0;
};

struct DatasetOptions {
  // fashion-mnist | cifar10 | text | synthetic. The inputs that they give: "images" [N, 1, 28, 28]
  // (fashion-mnist) or [N, 3, 32, 32] (cifar10), standardised per channel, and "labels" [N];
  // "tokens" and "targets" [N, T], the bytes of a text and those that follow them; synthetic: all
  // inputs of the network, whatever they are.
  std::string dataset = "synthetic";
  std::string path;             // fashion-mnist, cifar10: a folder; text: a file
  std::int64_t samples = 4096;  // synthetic
  std::int64_t data_seed = 1;   // synthetic
  double test_fraction = 0.1;   // text: the share of the end that is for testing

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("dataset", self.dataset, "fashion-mnist, cifar10, text or synthetic");
    visit("path", self.path, "folder or file of the data");
    visit("samples", self.samples, "synthetic: number of samples");
    visit("data_seed", self.data_seed, "synthetic: seed of the samples");
    visit("test_fraction", self.test_fraction, "text: share of the end that is for testing");
  }
};
enum class Split : std::uint8_t { kTraining, kTest };
// The data for a network's inputs; their dtypes are converted to those of the graph. Throws
// kInvalidArgument where shapes differ or files are damaged, kNotFound for files and inputs that
// are not there.
std::unique_ptr<Dataset> load_dataset(const DatasetOptions& options, Split split,
                                      const Network& network);

// The endless sequence of samples: one permutation of 0 ... size-1 after another, each computed
// from the seed and the epoch's number alone. A position in it is all that a run must remember.
class SampleOrder {
 public:
  SampleOrder(std::uint64_t seed, std::int64_t size);

  std::int64_t at(std::int64_t position);
  // Of the positions [position, position + count).
  std::vector<std::int64_t> range(std::int64_t position, std::int64_t count);

 private:
  std::uint64_t seed_;
  std::int64_t size_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> permutation_;  // of epoch_
};

// ---- Checkpoints and logs -----------------------------------------------------------------------

// All that a run needs to go on, whatever plan and number of processes it goes on with.
struct Checkpoint {
  std::string network;      // its name
  std::int64_t step = 0;    // steps done
  std::int64_t cursor = 0;  // position in the SampleOrder
  std::uint64_t seed = 0;
  // Of the last step, as logged; no number in files that do not say it.
  double loss = std::numeric_limits<double>::quiet_NaN();
  NamedTensors parameters;  // by name
  NamedTensors optimizer;   // Optimizer::state()
  Metadata notes;           // what the writer wants to remember, texts by name
};

// Writes folder/step_<step>.safetensors (docs/formats.md) under a temporary name, renames it, and
// removes all but the latest `keep` checkpoints. Throws kIo; older checkpoints then stay.
void save_checkpoint(const std::string& folder, const Checkpoint& checkpoint, int keep = 2);
// Reads one file. Throws kInvalidArgument for a damaged or foreign one.
Checkpoint load_checkpoint(const std::string& path);
// The path of the checkpoint with the largest step in the folder; nullopt where there is none.
std::optional<std::string> latest_checkpoint(const std::string& folder);
// Copies the checkpoint's parameters into `parameters`. Throws kInvalidArgument unless names and
// shapes are the same.
void restore_parameters(const Checkpoint& checkpoint, NamedTensors& parameters);

// One line of the log: a step, or a test.
struct LogEntry {
  std::int64_t step = 0;  // steps done
  double loss = 0.0;      // mean over the batch, before the step; of a test: over the test samples
  double learning_rate = 0.0;
  double gradient_norm = 0.0;  // before clipping
  double seconds = 0.0;        // since the run began
  std::int64_t samples = 0;    // of training so far
  bool test = false;
  std::optional<double> accuracy;  // tests of networks with the output "correct"
};

// A file of JSON lines, flushed after each.
class LossLog {
 public:
  // Keeps the lines up to `step` of an existing file and drops the others, among them one that was
  // cut short; step 0 begins anew. Throws kIo, as append() does, and what load_loss_log() throws.
  LossLog(const std::string& path, std::int64_t step);
  ~LossLog();
  LossLog(const LossLog&) = delete;
  LossLog& operator=(const LossLog&) = delete;

  void append(const LogEntry& entry);

 private:
  int file_ = -1;
  std::string path_;
};
// Throws kInvalidArgument that names file and line; a last line without its end is left out.
std::vector<LogEntry> load_loss_log(const std::string& path);
// Loss over steps as a picture: training (thin, and smoothed), tests, accuracy.
std::string loss_svg(std::span<const LogEntry> entries);

// ---- The loop of one process --------------------------------------------------------------------

struct TrainOptions {
  std::int64_t steps = 0;               // of the optimiser; 0: as many as the epochs have
  double epochs = 1.0;                  // when steps is 0
  std::int64_t batch = 64;              // samples of a step
  std::int64_t micro_batch = 0;         // samples of one pass; 0: the batch. Must divide it
  double clip_norm = 0.0;               // of all gradients together; 0: no limit
  std::int64_t seed = 1;                // of initial parameters and of the order of samples
  bool bf16 = false;                    // parameters in bf16, with f32 masters
  std::string checkpoints;              // folder, without any unless resume; "": none
  std::int64_t checkpoint_every = 500;  // steps
  int keep = 2;                         // checkpoints
  bool resume = false;                  // from the latest checkpoint, if there is one
  std::string log;                      // file of JSON lines; "": none
  std::int64_t test_every = 0;          // steps; 0: at the end only
  int threads = 0;
  std::string device = "cpu";  // of gradients; tests and the optimiser are the cpu device's

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("steps", self.steps, "steps of the optimiser; 0: as many as the epochs have");
    visit("epochs", self.epochs, "passes over the data, when steps is 0");
    visit("batch", self.batch, "samples of a step");
    visit("micro_batch", self.micro_batch, "samples of one pass; 0: the batch");
    visit("clip_norm", self.clip_norm, "limit of the norm of all gradients together; 0: none");
    visit("seed", self.seed, "of initial parameters and of the order of samples");
    visit("bf16", self.bf16, "parameters in bf16, with f32 masters in the optimiser");
    visit("checkpoints", self.checkpoints, "folder for checkpoints");
    visit("checkpoint_every", self.checkpoint_every, "steps between checkpoints");
    visit("keep", self.keep, "checkpoints that are kept");
    visit("resume", self.resume, "go on from the latest checkpoint");
    visit("log", self.log, "write the losses to this file, a line of JSON for each step");
    visit("test_every", self.test_every, "steps between tests; 0: test at the end only");
    visit("threads", self.threads, "worker threads; 0: one per core");
    visit("device", self.device,
          "that computes gradients: cpu, ref or cuda (of ranks, each the next GPU); tests and "
          "the optimiser run on the cpu");
  }
};

struct TrainResult {
  std::int64_t steps = 0;   // done, with those of the checkpoint that the run went on from
  std::int64_t before = 0;  // those of the checkpoint; where they are all, nothing was left to do
  double loss = std::numeric_limits<double>::quiet_NaN();  // of the last step, whoever did it
  std::optional<double> test_loss;
  std::optional<double> test_accuracy;
  double seconds = 0.0;
  double samples_per_s = 0.0;
  bool stopped = false;  // by the token; a checkpoint was written
  NamedTensors parameters;
};

// What the loop is given: a network, its data, and how to go about it.
struct TrainTask {
  const Network& network;
  const Dataset& training;
  const Dataset* test = nullptr;  // may be absent
  OptimizerOptions optimizer;
  LearningRateOptions learning_rate;
  TrainOptions options;
};

// Gradients of micro-batches are added up in f32 and applied once a
// batch. `watch` sees every entry of the log. Throws kInvalidArgument for options that do not fit
// together and kExhausted when the loss is no number.
TrainResult train(const TrainTask& task, std::stop_token stop = {},
                  const std::function<void(const LogEntry&)>& watch = {});

// The mean loss of `parameters` on all samples of `data`, `batch` at once, and the accuracy where
// the network tells. Throws kInvalidArgument for parameters that are missing or of another shape.
LogEntry evaluate(const Network& network, const NamedTensors& parameters, const Dataset& data,
                  std::int64_t batch = 64, const RunOptions& run = {});

}  // namespace lamina::train
