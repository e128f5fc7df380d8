// Compiling, loading weights, binding sizes and running.
#include "exec/cpu/cpu_program.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/check.h"
#include "exec/binding.h"
#include "exec/cpu/host_steps.h"
#include "graph/work.h"

namespace lamina::cpu {
namespace {

using lower::Storage;

constexpr std::size_t kPlans = 4;  // size bindings that are remembered

const Node& node_of(const Graph& graph, NodeId id) {
  return graph.nodes[static_cast<std::size_t>(id)];
}

void refuse_packed_inputs(const Graph& graph) {
  for (const Input& input : graph.inputs) {
    const Node& node = node_of(graph, input.node);
    if (!is_packed(node.types[0].dtype)) continue;
    fail(ErrorCode::kUnsupported, "device cpu: input '{}' of type {}", node.name,
         traits(node.types[0].dtype).name);
  }
}

// The initial elements of a state.
Tensor initial_state(const Input& input, const Type& type, const Sizes& sizes) {
  if (!input.value.empty()) return input.value.clone();
  const Shape shape = evaluate(type.shape, sizes);
  const std::vector<double> fill(static_cast<std::size_t>(element_count(shape)), input.initial);
  return Tensor::from_doubles(type.dtype, shape, fill);
}

}  // namespace

CpuProgram::CpuProgram(const Graph& graph, Shared shared)
    : graph_(graph), shared_(std::move(shared)) {
  validate(graph_);
  refuse_packed_inputs(graph_);
  lowered_ = lower_graph(graph_);
  EmittedSteps emitted = emit_steps(lowered_, shared_.target);
  code_ = std::move(emitted.steps);
  count_fallbacks(emitted.fallback_ops);
  kept_.resize(lowered_.storages.size());
  bases_.resize(lowered_.storages.size());
  for (const Input* input : run_inputs(graph_)) {
    input_dtypes_.push_back(node_of(graph_, input->node).types[0].dtype);
  }
  compile_kernels();
  compile_bodies();
}

CpuProgram::~CpuProgram() = default;

void CpuProgram::count_fallbacks(const std::vector<std::string>& ops) {
  stats_.fallbacks += static_cast<std::int64_t>(ops.size());
  for (const std::string& op : ops) {
    auto& names = stats_.fallback_ops;
    if (std::find(names.begin(), names.end(), op) == names.end()) names.push_back(op);
  }
}

void CpuProgram::compile_kernels() {
  std::vector<std::string> texts;
  for (const StepCode& step : code_) {
    for (const StepCode::Use& use : step.kernels) texts.push_back(use.kernel.text);
  }
  CompileCache::Loaded loaded = shared_.cache->load(texts, shared_.max_compiles);
  std::size_t next = 0;
  for (StepCode& step : code_) {
    for (StepCode::Use& use : step.kernels) use.function = loaded.functions[next++];
  }
  libraries_ = std::move(loaded.libraries);
  stats_.kernels = static_cast<std::int64_t>(texts.size());
  stats_.compiles = loaded.compiles;
}

void CpuProgram::compile_bodies() {
  bodies_.resize(code_.size());
  for (std::size_t s = 0; s < code_.size(); ++s) {
    const Node& node = node_of(lowered_.graph, lowered_.steps[s].node);
    if (!has_bodies(node)) continue;
    for (const Graph& body : node.graphs) {
      Shared shared = shared_;
      shared.arena = std::make_shared<Arena>();  // it runs while this program runs
      shared.max_compiles -= static_cast<int>(stats_.compiles);
      bodies_[s].push_back(std::make_unique<CpuProgram>(body, shared));
      const ProgramStats stats = bodies_[s].back()->stats();
      stats_.kernels += stats.kernels;
      stats_.compiles += stats.compiles;
      count_fallbacks(stats.fallback_ops);
    }
  }
}

std::string CpuProgram::source() const {
  std::string text;
  for (std::size_t s = 0; s < code_.size(); ++s) {
    for (const StepCode::Use& use : code_[s].kernels) {
      text += fmt::format("// {}: {}\n{}\n", node_of(lowered_.graph, lowered_.steps[s].node).name,
                          use.kernel.name, use.kernel.text);
    }
    for (const auto& body : bodies_[s]) text += body->source();
  }
  return text;
}

void CpuProgram::set_weight(std::string_view name, const Tensor& value) {
  bind_weight(graph_, name, value);
  loaded_ = false;
}

// Computes what depends on weights alone, and packs. Programs whose weights change, as in training,
// keep what this needs from their second time on.
void CpuProgram::load() {
  for (std::size_t s = 0; s < lowered_.storages.size(); ++s) {
    const Storage& storage = lowered_.storages[s];
    if (storage.kind == Storage::Kind::kLoaded && kept_[s].empty()) {
      kept_[s] = Tensor(storage.dtype, {storage.elements.evaluate({})});
    }
    if (storage.kind != Storage::Kind::kWeight) continue;
    const Input& input = graph_.inputs[static_cast<std::size_t>(storage.index)];
    require(!input.value.empty(), "weight '{}' has no elements; set_weight() first",
            node_of(graph_, input.node).name);
    kept_[s] = input.value.dense();
  }
  if (!load_plan_) load_plan_ = plan_launches(lowered_, code_, {}, true);
  prepare_scratch(*load_plan_);
  find_bases(*load_plan_, {}, {});
  run_launches(*load_plan_);
  pack_weights();
  if (needed_.empty()) needed_ = needed_storages();
  drop_weights();
  loaded_ = true;
  ++loads_;
}

// Packs are shared by content the first time. Later ones are this program's own, in place.
void CpuProgram::pack_weights() {
  if (loads_ <= 1) packs_.clear();
  stats_.packed_weight_bytes = 0;
  std::size_t next = 0;
  for (std::size_t s = 0; s < code_.size(); ++s) {
    const Node& node = node_of(lowered_.graph, lowered_.steps[s].node);
    for (const StepCode::Use& use : code_[s].kernels) {
      for (const PackRequest& request : use.kernel.packs) {
        const Tensor weight = tensor_at(node.inputs[static_cast<std::size_t>(request.input)], {});
        if (loads_ == 0) {
          packs_.push_back(shared_.packed->get(weight, request, *shared_.pool));
        } else if (loads_ == 1) {
          packs_.push_back(pack_weight(weight, request, *shared_.pool));
        } else {
          pack_weight_into(*packs_[next], weight, request, *shared_.pool);
        }
        stats_.packed_weight_bytes += static_cast<std::int64_t>(packs_[next++]->bytes());
      }
    }
  }
}

// The storages that some step of a run reads as they are.
std::vector<bool> CpuProgram::needed_storages() const {
  std::vector<bool> needed(lowered_.storages.size(), false);
  const auto need = [&](const lower::Place& place) {
    needed[static_cast<std::size_t>(place.storage)] = true;
  };
  for (std::size_t s = 0; s < code_.size(); ++s) {
    const Node& node = node_of(lowered_.graph, lowered_.steps[s].node);
    if (lowered_.steps[s].at_load) continue;
    if (code_[s].kernels.empty()) {
      for (const Value& value : node.inputs) need(lowered_.place(value));
    }
    for (const StepCode::Use& use : code_[s].kernels) {
      for (const BufferUse& buffer : use.kernel.buffers) {
        if (buffer.kind != BufferUse::Kind::kInput || !reads_input(use.kernel, buffer.index)) {
          continue;
        }
        need(lowered_.place(node.inputs[static_cast<std::size_t>(buffer.index)]));
      }
    }
  }
  for (const auto* copies : {&lowered_.output_copies, &lowered_.state_copies}) {
    for (const lower::FinalCopy& copy : *copies) need(copy.from);
  }
  return needed;
}

// Lets go of the weights that no step of a run reads as they are, and, unless they will be computed
// again, of such loaded values.
void CpuProgram::drop_weights() {
  stats_.plain_weight_bytes = 0;
  for (std::size_t s = 0; s < lowered_.storages.size(); ++s) {
    const Storage& storage = lowered_.storages[s];
    const bool is_weight = storage.kind == Storage::Kind::kWeight;
    if (!is_weight && storage.kind != Storage::Kind::kLoaded) continue;
    if (!needed_[s] && (is_weight || loads_ == 0)) kept_[s] = Tensor();
    const auto held = static_cast<std::int64_t>(kept_[s].empty() ? 0 : kept_[s].bytes());
    (is_weight ? stats_.plain_weight_bytes : stats_.packed_weight_bytes) += held;
    if (is_weight && !needed_[s]) {
      graph_.inputs[static_cast<std::size_t>(storage.index)].value = Tensor();
    }
  }
  // The allocator would keep the freed pieces: as much memory as the packed weights take.
  if (loads_ == 0) ::malloc_trim(0);
}

void CpuProgram::make_states(const Sizes& sizes) {
  for (std::size_t s = 0; s < lowered_.storages.size(); ++s) {
    const Storage& storage = lowered_.storages[s];
    if (storage.kind != Storage::Kind::kState) continue;
    const Input& input = graph_.inputs[static_cast<std::size_t>(storage.index)];
    const Node& node = node_of(graph_, input.node);
    if (kept_[s].empty()) {
      kept_[s] = initial_state(input, node.types[0], sizes);
      continue;
    }
    const Shape shape = evaluate(node.types[0].shape, sizes);
    require(shape == kept_[s].shape(), "state '{}' has the shape {}; this run wants {}", node.name,
            to_string(kept_[s].shape()), to_string(shape));
  }
}

Tensor CpuProgram::state(std::string_view name) {
  const Value value = graph_.find(name);
  for (std::size_t s = 0; s < lowered_.storages.size(); ++s) {
    const Storage& storage = lowered_.storages[s];
    if (storage.kind != Storage::Kind::kState || kept_[s].empty()) continue;
    if (graph_.inputs[static_cast<std::size_t>(storage.index)].node == value.node) return kept_[s];
  }
  fail(ErrorCode::kNotFound, "no state '{}' (states exist after the first run)", name);
}

// In place where the shape cannot change: sums of gradients begin anew in every iteration.
void CpuProgram::reset_state() {
  for (std::size_t s = 0; s < lowered_.storages.size(); ++s) {
    const Storage& storage = lowered_.storages[s];
    if (storage.kind != Storage::Kind::kState || kept_[s].empty()) continue;
    const Input& input = graph_.inputs[static_cast<std::size_t>(storage.index)];
    const Type& type = node_of(graph_, input.node).types[0];
    if (!constant_shape(type.shape)) {
      kept_[s] = Tensor();
      plans_.clear();
    } else if (input.value.empty() && input.initial == 0.0) {
      std::memset(kept_[s].data(), 0, kept_[s].bytes());  // zero in every type
    } else {
      const Tensor initial = initial_state(input, type, {});
      std::memcpy(kept_[s].data(), initial.data(), initial.bytes());
    }
  }
}

const LaunchPlan& CpuProgram::find_plan(std::span<const Tensor> inputs) {
  const auto fits = [&](const LaunchPlan& plan) {
    if (plan.input_shapes.size() != inputs.size()) return false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].shape() != plan.input_shapes[i] || inputs[i].dtype() != input_dtypes_[i]) {
        return false;
      }
    }
    return true;
  };
  const auto found = std::find_if(plans_.begin(), plans_.end(), fits);
  if (found == plans_.end()) return plan_for(bind_inputs(graph_, inputs));
  std::rotate(plans_.begin(), found, found + 1);
  return plans_.front();
}

const LaunchPlan& CpuProgram::plan_for(const Sizes& sizes) {
  const auto found = std::find_if(plans_.begin(), plans_.end(),
                                  [&](const LaunchPlan& plan) { return plan.sizes == sizes; });
  if (found != plans_.end()) {
    std::rotate(plans_.begin(), found, found + 1);
    return plans_.front();
  }
  make_states(sizes);
  if (plans_.size() == kPlans) plans_.pop_back();
  plans_.insert(plans_.begin(), plan_launches(lowered_, code_, sizes, false));
  const LaunchPlan& plan = plans_.front();
  prepare_scratch(plan);
  const auto bytes = static_cast<std::size_t>(plan.arena.bytes);
  std::shared_ptr<Buffer>& arena = shared_.arena->buffer;
  if (arena == nullptr || arena->bytes() < bytes) {
    arena.reset();  // first, so that the old and the new one never stand side by side
    arena = Buffer::allocate(bytes);
  }
  return plan;
}

void CpuProgram::prepare_scratch(const LaunchPlan& plan) {
  const std::int64_t stride = (plan.scratch_bytes + 63) / 64 * 64;
  if (scratch_ != nullptr && stride <= scratch_stride_) return;
  scratch_stride_ = stride;
  scratch_ = Buffer::allocate(static_cast<std::size_t>(stride * shared_.pool->threads()));
}

std::vector<Tensor> CpuProgram::run(std::span<const Tensor> inputs) {
  if (!loaded_) load();
  const LaunchPlan& plan = find_plan(inputs);
  std::vector<Tensor> outputs = allocate_outputs(plan);
  execute(plan, inputs, outputs);
  return outputs;
}

void CpuProgram::run_into(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  if (!loaded_) load();
  execute(find_plan(inputs), inputs, outputs);
}

std::vector<StepTime> CpuProgram::profile(std::span<const Tensor> inputs) {
  if (!loaded_) load();
  const LaunchPlan& plan = find_plan(inputs);
  std::vector<Tensor> outputs = allocate_outputs(plan);
  std::vector<StepTime> times;
  times_ = &times;
  try {
    execute(plan, inputs, outputs);
  } catch (...) {
    times_ = nullptr;
    throw;
  }
  times_ = nullptr;
  return times;
}

std::vector<Tensor> CpuProgram::run_body(const Sizes& sizes, std::span<const Tensor> inputs) {
  if (!loaded_) load();
  const LaunchPlan& plan = plan_for(sizes);
  std::vector<Tensor> outputs = allocate_outputs(plan);
  execute(plan, inputs, outputs);
  return outputs;
}

std::vector<Tensor> CpuProgram::allocate_outputs(const LaunchPlan& plan) const {
  std::vector<Tensor> outputs;
  for (std::size_t i = 0; i < plan.output_shapes.size(); ++i) {
    outputs.emplace_back(graph_.type(graph_.outputs[i].value).dtype, plan.output_shapes[i]);
  }
  return outputs;
}

void CpuProgram::execute(const LaunchPlan& plan, std::span<const Tensor> inputs,
                         std::span<Tensor> outputs) {
  require(outputs.size() == plan.output_shapes.size(), "expected {} outputs, got {}",
          plan.output_shapes.size(), outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const DType dtype = graph_.type(graph_.outputs[i].value).dtype;
    require(outputs[i].shape() == plan.output_shapes[i] && outputs[i].dtype() == dtype &&
                outputs[i].layout().is_dense(),
            "output {}: expected a dense {}{}", i, traits(dtype).name,
            to_string(plan.output_shapes[i]));
  }
  const bool dense = std::all_of(inputs.begin(), inputs.end(),
                                 [](const Tensor& t) { return t.layout().is_dense(); });
  std::vector<Tensor> copies;
  if (!dense) {
    for (const Tensor& input : inputs) copies.push_back(input.dense());
    inputs = copies;
  }
  stats_.arena_bytes = plan.arena.bytes;
  find_bases(plan, inputs, outputs);
  run_launches(plan);
  copy_bytes(plan.output_copies);
  copy_bytes(plan.state_copies);
}

void CpuProgram::find_bases(const LaunchPlan& plan, std::span<const Tensor> inputs,
                            std::span<Tensor> outputs) {
  for (std::size_t s = 0; s < bases_.size(); ++s) {
    const Storage& storage = lowered_.storages[s];
    const auto i = static_cast<std::size_t>(storage.index);
    bases_[s] = nullptr;
    if (storage.kind == Storage::Kind::kInput && i < inputs.size()) {
      bases_[s] = const_cast<std::byte*>(inputs[i].data());
    } else if (storage.kind == Storage::Kind::kOutput && i < outputs.size()) {
      bases_[s] = outputs[i].data();
    } else if (storage.kind == Storage::Kind::kArena && shared_.arena->buffer != nullptr) {
      bases_[s] =
          shared_.arena->buffer->data() + (plan.arena.offsets.empty() ? 0 : plan.arena.offsets[s]);
    } else if (!kept_[s].empty()) {
      bases_[s] = kept_[s].data();
    }
  }
  if (pointers_.size() < plan.addresses.size()) pointers_.resize(plan.addresses.size());
  for (std::size_t p = 0; p < plan.addresses.size(); ++p) {
    const Address& address = plan.addresses[p];
    pointers_[p] = address.pack >= 0 ? packs_[static_cast<std::size_t>(address.pack)]->data()
                                     : resolve(address);
  }
}

std::byte* CpuProgram::resolve(const Address& address) const {
  std::byte* base = bases_[static_cast<std::size_t>(address.storage)];
  return base == nullptr ? nullptr : base + address.bytes;  // null: nobody reads it any more
}

void CpuProgram::run_launches(const LaunchPlan& plan) {
  for (const Launch& launch : plan.launches) {
    if (times_ == nullptr) {
      run_launch(launch, plan);
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    run_launch(launch, plan);
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - start;
    const NodeId id = lowered_.steps[static_cast<std::size_t>(launch.step)].node;
    const Node& node = node_of(lowered_.graph, id);
    times_->push_back({node.name, std::string(node.op->name), launch.tasks,
                       count_flops(lowered_.graph, node, plan.sizes), taken.count()});
  }
}

void CpuProgram::run_launch(const Launch& launch, const LaunchPlan& plan) {
  if (launch.function == nullptr) {
    run_on_host(launch.step, plan.sizes);
  } else {
    run_kernel(launch, plan);
  }
}

void CpuProgram::run_kernel(const Launch& launch, const LaunchPlan& plan) {
  const KernelCall call{pointers_.data() + launch.first_pointer,
                        plan.size_values.data() + launch.first_size,
                        reinterpret_cast<char*>(scratch_->data())};
  if (launch.tasks == 1) {
    launch.function(&call, 0, 1);
    return;
  }
  shared_.pool->parallel_for(launch.tasks, [&](std::int64_t begin, std::int64_t end, int slot) {
    KernelCall own = call;
    own.scratch += slot * scratch_stride_;
    launch.function(&own, begin, end);
  });
}

void CpuProgram::copy_bytes(const std::vector<ByteCopy>& copies) {
  for (const ByteCopy& copy : copies) {
    if (copy.bytes == 0) continue;
    std::memmove(resolve(copy.to), resolve(copy.from), static_cast<std::size_t>(copy.bytes));
  }
}

Tensor CpuProgram::tensor_at(Value value, const Sizes& sizes) const {
  const Type& type = lowered_.graph.type(value);
  const Shape shape = evaluate(type.shape, sizes);
  const auto bytes =
      static_cast<std::size_t>(element_count(shape) * traits(type.dtype).block_bytes);
  std::byte* data = resolve(address_of(lowered_, lowered_.place(value), sizes));
  return {type.dtype, Layout::dense(shape), Buffer::wrap(data, bytes, nullptr)};
}

void CpuProgram::run_on_host(int step, const Sizes& sizes) {
  const auto s = static_cast<std::size_t>(step);
  const NodeId id = lowered_.steps[s].node;
  const Node& node = node_of(lowered_.graph, id);
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  for (const Value& value : node.inputs) inputs.push_back(tensor_at(value, sizes));
  for (std::size_t i = 0; i < node.types.size(); ++i) {
    outputs.push_back(tensor_at({id, static_cast<std::int32_t>(i)}, sizes));
  }
  run_host_step(node, {inputs, outputs, bodies_[s], sizes});
}

}  // namespace lamina::cpu
