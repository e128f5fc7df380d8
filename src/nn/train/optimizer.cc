// SGD, momentum and AdamW: the update of an element as a small graph, run over all parameters in
// pieces.
//
// A piece's results go to scratch and from there over the parameters: programs may not write over
// what they read, and a piece stays in the cache.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/check.h"
#include "exec/lower/fuse.h"
#include "graph/expression.h"
#include "graph/simplify.h"
#include "lamina/train.h"
#include "nn/train/tensor_names.h"

namespace lamina::train {
namespace {

constexpr std::int64_t kPiece = 1 << 15;  // elements

enum class Rule { kSgd, kMomentum, kAdamW };

Rule parse_rule(const std::string& text) {
  if (text == "sgd") return Rule::kSgd;
  if (text == "momentum") return Rule::kMomentum;
  if (text == "adamw") return Rule::kAdamW;
  fail(ErrorCode::kInvalidArgument, "optimizer '{}': expected sgd, momentum or adamw", text);
}

void require_fraction(const char* name, double value) {
  require(value >= 0.0 && value < 1.0, "{} {}: expected at least 0, below 1", name, value);
}

void validate(const OptimizerOptions& options) {
  require_fraction("momentum", options.momentum);
  require_fraction("beta1", options.beta1);
  require_fraction("beta2", options.beta2);
  require(options.epsilon > 0.0, "epsilon {}: expected above 0", options.epsilon);
  require(options.weight_decay >= 0.0, "weight_decay {}: expected at least 0",
          options.weight_decay);
}

// What the optimiser remembers of each element.
std::vector<std::string> moments_of(Rule rule) {
  switch (rule) {
    case Rule::kSgd:
      return {};
    case Rule::kMomentum:
      return {"momentum"};
    case Rule::kAdamW:
      return {"mean", "square"};
  }
  fail(ErrorCode::kInternal, "no such rule");
}

// Numbers of one step that the graph takes as scalars.
struct StepNumbers {
  double scale = 1.0;  // of the gradient
  double decay = 0.0;  // AdamW: the parameter's factor; others: added to the gradient, times it
  double rate = 0.0;   // AdamW: divided by the correction of the mean
  double root = 1.0;   // AdamW: the root of the square's correction, inverted

  std::vector<double> list() const { return {scale, decay, rate, root}; }
};

// Inputs: parameter (f32), gradient, moments, then the scalars of StepNumbers. Outputs: parameter,
// moments, and the parameter in bf16 if wanted.
Graph update_graph(const OptimizerOptions& options, Rule rule, DType gradient_dtype, bool bf16) {
  Graph graph;
  graph.name = "update";
  const Dim n = Dim::size("L");
  graph.sizes = {{"L", 1, kPiece}};
  const auto input = [&](const std::string& name, DType dtype, Dims shape) {
    return Expr{&graph, graph.add_input(name, {dtype, std::move(shape), {}})};
  };
  const Expr p = input("parameter", DType::kF32, {n});
  const Expr raw = input("gradient", gradient_dtype, {n});
  std::vector<Expr> moments;
  for (const std::string& name : moments_of(rule)) {
    moments.push_back(input(name, DType::kF32, {n}));
  }
  const Expr scale = input("scale", DType::kF32, {});
  const Expr decay = input("decay", DType::kF32, {});
  const Expr rate = input("rate", DType::kF32, {});
  const Expr root = input("root", DType::kF32, {});
  Expr gradient = call("cast", {raw}, {{"dtype", DType::kF32}}) * scale;
  Expr updated = p;
  if (rule == Rule::kAdamW) {
    moments[0] = moments[0] * options.beta1 + gradient * (1.0 - options.beta1);
    moments[1] = moments[1] * options.beta2 + gradient * gradient * (1.0 - options.beta2);
    const Expr divisor = call("sqrt", {moments[1]}) * root + options.epsilon;
    updated = p * decay - rate * (moments[0] / divisor);
  } else {
    gradient = gradient + p * decay;
    if (rule == Rule::kMomentum) {
      moments[0] = moments[0] * options.momentum + gradient;
      gradient = options.nesterov ? gradient + moments[0] * options.momentum : moments[0];
    }
    updated = p - rate * gradient;
  }
  graph.add_output("parameter", updated);
  for (std::size_t i = 0; i < moments.size(); ++i) {
    graph.add_output(moments_of(rule)[i], moments[i]);
  }
  if (bf16) {
    graph.add_output("rounded", call("cast", {updated}, {{"dtype", DType::kBF16}}));
  }
  return graph;
}

// Elements [at, at + count) of a dense tensor, as a vector.
Tensor piece_of(const Tensor& tensor, std::int64_t at, std::int64_t count) {
  const auto offset = static_cast<std::size_t>(tensor.data() - tensor.buffer()->data());
  const auto bytes = static_cast<std::size_t>(traits(tensor.dtype()).block_bytes);
  return {tensor.dtype(), Layout::dense({count}), tensor.buffer(),
          offset + static_cast<std::size_t>(at) * bytes};
}

struct Entry {
  Tensor parameter;
  Tensor master;                // bf16 parameters
  std::vector<Tensor> moments;  // as moments_of()
  std::int64_t steps = 0;
  bool decays = false;

  // f32, what the update reads and writes.
  const Tensor& exact() const { return master.empty() ? parameter : master; }
};

}  // namespace

struct Optimizer::Impl {
  OptimizerOptions options;
  Rule rule = Rule::kSgd;
  RunOptions run;
  std::map<std::string, Entry> entries;
  // By the gradient's type, and by whether the parameter is bf16.
  std::map<std::pair<DType, bool>, std::unique_ptr<Program>> programs;
  std::vector<Tensor> scratch;  // parameter, moments, rounded

  Program& program(DType gradient, bool bf16) {
    std::unique_ptr<Program>& found = programs[{gradient, bf16}];
    if (found == nullptr) {
      const Graph update = simplify(update_graph(options, rule, gradient, bf16));
      found = compile(lower::fuse_chains(update), find_device("cpu"), run);
    }
    return *found;
  }

  void add(const std::string& name, Tensor parameter) {
    const DType dtype = parameter.dtype();
    require(dtype == DType::kF32 || dtype == DType::kBF16,
            "optimizer: the parameter '{}' is {}; expected f32 or bf16", name, traits(dtype).name);
    require(parameter.layout().is_dense(), "optimizer: the parameter '{}' is not dense", name);
    Entry entry;
    entry.decays = options.decay_vectors || parameter.shape().size() > 1;
    if (dtype == DType::kBF16) entry.master = parameter.cast(DType::kF32);
    for (std::size_t i = 0; i < moments_of(rule).size(); ++i) {
      entry.moments.emplace_back(DType::kF32, parameter.shape());
    }
    entry.parameter = std::move(parameter);
    entries.emplace(name, std::move(entry));
  }

  // Of the step that the entry is at.
  StepNumbers numbers(const Entry& entry, double learning_rate, double scale) const {
    const double decay = entry.decays ? options.weight_decay : 0.0;
    if (rule != Rule::kAdamW) return {scale, decay, learning_rate, 1.0};
    const auto n = static_cast<double>(entry.steps);
    return {scale, 1.0 - learning_rate * decay, learning_rate / (1.0 - std::pow(options.beta1, n)),
            1.0 / std::sqrt(1.0 - std::pow(options.beta2, n))};
  }

  void prepare_scratch() {
    const bool bf16 = std::any_of(entries.begin(), entries.end(),
                                  [](const auto& e) { return !e.second.master.empty(); });
    scratch.assign(1 + moments_of(rule).size(), Tensor(DType::kF32, {kPiece}));
    for (Tensor& tensor : scratch) tensor = tensor.clone();  // of its own
    if (bf16) scratch.emplace_back(DType::kBF16, Shape{kPiece});
  }

  void update(Entry& entry, const Tensor& gradient, const StepNumbers& numbers) {
    std::vector<Tensor> scalars;
    for (const double number : numbers.list()) {
      scalars.push_back(Tensor::from_doubles(DType::kF32, {}, std::vector<double>{number}));
    }
    std::vector<Tensor> written = {entry.exact()};
    written.insert(written.end(), entry.moments.begin(), entry.moments.end());
    if (!entry.master.empty()) written.push_back(entry.parameter);
    Program& update = program(gradient.dtype(), !entry.master.empty());
    for (std::int64_t at = 0; at < gradient.size(); at += kPiece) {
      const std::int64_t count = std::min(kPiece, gradient.size() - at);
      std::vector<Tensor> inputs = {piece_of(written[0], at, count), piece_of(gradient, at, count)};
      for (const Tensor& moment : entry.moments) inputs.push_back(piece_of(moment, at, count));
      inputs.insert(inputs.end(), scalars.begin(), scalars.end());
      std::vector<Tensor> outputs;
      for (std::size_t i = 0; i < written.size(); ++i) {
        outputs.push_back(piece_of(scratch[i], 0, count));
      }
      update.run_into(inputs, outputs);
      for (std::size_t i = 0; i < written.size(); ++i) {
        Tensor to = piece_of(written[i], at, count);
        std::memcpy(to.data(), outputs[i].data(), to.bytes());
      }
    }
  }
};

Optimizer::Optimizer(const OptimizerOptions& options, NamedTensors parameters,
                     const RunOptions& run)
    : impl_(std::make_unique<Impl>()) {
  validate(options);
  impl_->options = options;
  impl_->rule = parse_rule(options.optimizer);
  impl_->run = run;
  for (auto& [name, parameter] : parameters) impl_->add(name, std::move(parameter));
  impl_->prepare_scratch();
}

Optimizer::Optimizer(Optimizer&&) noexcept = default;
Optimizer& Optimizer::operator=(Optimizer&&) noexcept = default;
Optimizer::~Optimizer() = default;

void Optimizer::step(const NamedTensors& gradients, double learning_rate, double gradient_scale) {
  for (const auto& [name, entry] : impl_->entries) {
    const auto found = gradients.find(name);
    require(found != gradients.end(), "optimizer: no gradient of '{}'", name);
    require(found->second.shape() == entry.parameter.shape(),
            "optimizer: the gradient of '{}' has the shape {}; expected {}", name,
            to_string(found->second.shape()), to_string(entry.parameter.shape()));
  }
  for (auto& [name, entry] : impl_->entries) {
    ++entry.steps;
    const StepNumbers numbers = impl_->numbers(entry, learning_rate, gradient_scale);
    impl_->update(entry, gradients.at(name).dense(), numbers);
  }
}

NamedTensors Optimizer::state() const {
  NamedTensors state;
  const std::vector<std::string> moments = moments_of(impl_->rule);
  for (const auto& [name, entry] : impl_->entries) {
    state[state_name(name, "steps")] =
        Tensor::from_integers(DType::kI64, {}, std::vector<std::int64_t>{entry.steps});
    if (!entry.master.empty()) state[state_name(name, "master")] = entry.master.clone();
    for (std::size_t i = 0; i < moments.size(); ++i) {
      state[state_name(name, moments[i])] = entry.moments[i].clone();
    }
  }
  return state;
}

void Optimizer::load_state(const NamedTensors& state) {
  const auto take = [&](const std::string& name, std::string_view what, Tensor& to) {
    copy_into(find_tensor(state, state_name(name, what), "the optimiser's state"), to,
              state_name(name, what));
  };
  const std::vector<std::string> moments = moments_of(impl_->rule);
  for (auto& [name, entry] : impl_->entries) {
    Tensor steps(DType::kI64, {});
    take(name, "steps", steps);
    entry.steps = steps.to_integers()[0];
    require(entry.steps >= 0, "the optimiser's state: '{}' has done {} steps", name, entry.steps);
    if (!entry.master.empty()) take(name, "master", entry.master);
    for (std::size_t i = 0; i < moments.size(); ++i) take(name, moments[i], entry.moments[i]);
  }
}

std::int64_t Optimizer::state_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, entry] : impl_->entries) {
    if (!entry.master.empty()) bytes += entry.master.bytes();
    for (const Tensor& moment : entry.moments) bytes += moment.bytes();
  }
  return static_cast<std::int64_t>(bytes);
}

}  // namespace lamina::train
