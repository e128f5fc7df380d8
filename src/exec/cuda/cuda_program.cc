// Emission of whole graphs, memory on the GPU, and runs.
#include "exec/cuda/cuda_program.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/check.h"
#include "exec/binding.h"
#include "exec/ref/ref_device.h"
#include "graph/simplify.h"

namespace lamina::cuda {
namespace {

using lower::Storage;

constexpr std::size_t kMostSizes = 16;  // LmSizes of the prelude
constexpr int kAlignment = 16;          // that kernels may use

const Node& node_of(const Graph& graph, NodeId id) {
  return graph.nodes[static_cast<std::size_t>(id)];
}

bool is_constant(const GraphKernels& code, const lower::Step& step) {
  return step.at_load && node_of(code.lowered.graph, step.node).inputs.empty();
}

// To what a value's address is a multiple of, in bytes, at least.
int alignment_of(const lower::Lowered& lowered, Value value) {
  const lower::Place& place = lowered.place(value);
  const DType dtype = lowered.storages[static_cast<std::size_t>(place.storage)].dtype;
  const std::int64_t element = traits(dtype).block_bytes;
  const auto offset = place.offset.constant();
  return static_cast<int>(
      std::gcd<std::int64_t, std::int64_t>(kAlignment, offset ? *offset * element : element));
}

}  // namespace

GraphKernels emit_graph(const Graph& graph, const GpuMachine& machine) {
  GraphKernels code{lower::lower(simplify(graph)), {}};
  for (Input& input : code.lowered.graph.inputs) input.value = Tensor();
  for (std::size_t s = 0; s < code.lowered.steps.size(); ++s) {
    const lower::Step& step = code.lowered.steps[s];
    if (is_constant(code, step)) continue;
    const Node& node = node_of(code.lowered.graph, step.node);
    std::vector<Type> types;
    EmitContext context{view(code.lowered.graph, node, types), node.types, machine, {}};
    for (const Value& v : node.inputs) {
      context.alignments.push_back(alignment_of(code.lowered, v));
    }
    for (Kernel& kernel : emit(context)) {
      if (kernel.sizes.size() > kMostSizes) {
        fail(ErrorCode::kUnsupported, "{} with more than {} named sizes on a GPU", node.op->name,
             kMostSizes);
      }
      kernel.name = fmt::format("lm_{}_{}", code.kernels.size(), kernel.name);
      code.kernels.push_back({s, std::move(kernel)});
    }
  }
  return code;
}

CudaProgram::CudaProgram(const Graph& graph, std::shared_ptr<Gpu> gpu)
    : graph_(graph), gpu_(std::move(gpu)) {
  validate(graph_);
  code_ = emit_graph(graph_, gpu_->machine());
  std::vector<Kernel> kernels;
  for (const GraphKernels::Use& use : code_.kernels) kernels.push_back(use.kernel);
  functions_ = gpu_->load(kernels);
  buffers_.resize(code_.lowered.storages.size());
  stats_.kernels = static_cast<std::int64_t>(kernels.size());
}

std::string CudaProgram::source() const {
  std::vector<Kernel> kernels;
  for (const GraphKernels::Use& use : code_.kernels) kernels.push_back(use.kernel);
  return translation_unit(kernels);
}

void CudaProgram::set_weight(std::string_view name, const Tensor& value) {
  bind_weight(graph_, name, value);
  loaded_ = false;
}

std::int64_t CudaProgram::bytes_of(const Storage& storage, const Sizes& sizes) const {
  return storage.elements.evaluate(sizes) * traits(storage.dtype).block_bytes;
}

void CudaProgram::fill(std::size_t storage, const Tensor& value) {
  const Tensor dense = value.dense();
  const auto bytes = static_cast<std::int64_t>(dense.bytes());
  if (buffers_[storage].bytes() < bytes) buffers_[storage] = GpuBuffer(*gpu_, bytes);
  gpu_->copy_in(buffers_[storage].address(), dense.data(), bytes);
}

GpuAddress CudaProgram::address(const lower::Place& place, const Sizes& sizes) const {
  const auto s = static_cast<std::size_t>(place.storage);
  const Storage& storage = code_.lowered.storages[s];
  const std::int64_t offset = place.offset.evaluate(sizes) * traits(storage.dtype).block_bytes;
  const bool in_arena = storage.kind == Storage::Kind::kArena;
  const GpuAddress base = in_arena
                              ? arena_.address() + static_cast<GpuAddress>(arena_plan_.offsets[s])
                              : buffers_[s].address();
  return base + static_cast<GpuAddress>(offset);
}

// Weights, constants, and what depends on them alone.
void CudaProgram::load() {
  for (std::size_t s = 0; s < code_.lowered.storages.size(); ++s) {
    const Storage& storage = code_.lowered.storages[s];
    if (storage.kind == Storage::Kind::kWeight) {
      const Input& input = graph_.inputs[static_cast<std::size_t>(storage.index)];
      require(!input.value.empty(), "weight '{}' has no elements; set_weight() first",
              node_of(graph_, input.node).name);
      fill(s, input.value);
    } else if (storage.kind == Storage::Kind::kLoaded) {
      buffers_[s] = GpuBuffer(*gpu_, bytes_of(storage, {}));
    }
  }
  compute_constants();
  launch_all({}, true);
  loaded_ = true;
}

void CudaProgram::compute_constants() {
  for (const lower::Step& step : code_.lowered.steps) {
    if (!is_constant(code_, step)) continue;
    const Node& node = node_of(code_.lowered.graph, step.node);
    Graph alone;
    const Value value = alone.add(node.op->name, {}, node.attrs);
    for (std::size_t i = 0; i < node.types.size(); ++i) {
      alone.add_output(fmt::format("y{}", i), {value.node, static_cast<std::int32_t>(i)});
    }
    const std::vector<Tensor> results = ref_device().compile(alone, {})->run({});
    for (std::size_t i = 0; i < results.size(); ++i) {
      const lower::Place& place = code_.lowered.place({step.node, static_cast<std::int32_t>(i)});
      gpu_->copy_in(address(place, {}), results[i].data(),
                    static_cast<std::int64_t>(results[i].bytes()));
    }
  }
}

void CudaProgram::make_states(const Sizes& sizes) {
  for (std::size_t s = 0; s < code_.lowered.storages.size(); ++s) {
    const Storage& storage = code_.lowered.storages[s];
    if (storage.kind != Storage::Kind::kState) continue;
    const Input& input = graph_.inputs[static_cast<std::size_t>(storage.index)];
    const Node& node = node_of(graph_, input.node);
    const Shape shape = evaluate(node.types[0].shape, sizes);
    const auto known = states_.find(s);
    if (known != states_.end()) {
      require(shape == known->second, "state '{}' has the shape {}; this run wants {}", node.name,
              to_string(known->second), to_string(shape));
      continue;
    }
    const std::vector<double> initial(static_cast<std::size_t>(element_count(shape)),
                                      input.initial);
    fill(s,
         input.value.empty() ? Tensor::from_doubles(storage.dtype, shape, initial) : input.value);
    states_[s] = shape;
  }
}

// Memory for inputs, outputs and the arena of a size binding.
void CudaProgram::prepare(const Sizes& sizes) {
  make_states(sizes);
  arena_plan_ = lower::plan_storages(code_.lowered, sizes);
  stats_.arena_bytes = arena_plan_.bytes;
  if (arena_.bytes() < arena_plan_.bytes) arena_ = GpuBuffer(*gpu_, arena_plan_.bytes);
  for (std::size_t s = 0; s < code_.lowered.storages.size(); ++s) {
    const Storage& storage = code_.lowered.storages[s];
    const bool ours =
        storage.kind == Storage::Kind::kInput || storage.kind == Storage::Kind::kOutput;
    const std::int64_t bytes = ours ? bytes_of(storage, sizes) : 0;
    if (buffers_[s].bytes() < bytes) buffers_[s] = GpuBuffer(*gpu_, bytes);
  }
}

void CudaProgram::launch_all(const Sizes& sizes, bool at_load) {
  for (std::size_t k = 0; k < code_.kernels.size(); ++k) {
    const auto& [s, kernel] = code_.kernels[k];
    const lower::Step& step = code_.lowered.steps[s];
    if (step.at_load != at_load) continue;
    const std::int64_t blocks = kernel.blocks.evaluate(sizes);
    if (blocks <= 0) continue;
    const Node& node = node_of(code_.lowered.graph, step.node);
    std::vector<GpuAddress> pointers;
    for (const Parameter& p : kernel.parameters) {
      const Value value =
          p.is_output ? Value{step.node, p.index} : node.inputs[static_cast<std::size_t>(p.index)];
      pointers.push_back(address(code_.lowered.place(value), sizes));
    }
    std::array<long, kMostSizes> values{};
    for (std::size_t i = 0; i < kernel.sizes.size(); ++i) {
      values[i] = Dim::size(kernel.sizes[i]).evaluate(sizes);
    }
    std::vector<void*> arguments;
    for (GpuAddress& pointer : pointers) arguments.push_back(&pointer);
    arguments.push_back(values.data());
    gpu_->launch(functions_[k], kernel, blocks, arguments.data());
  }
}

void CudaProgram::copy_all(const std::vector<lower::FinalCopy>& copies, const Sizes& sizes) {
  for (const lower::FinalCopy& copy : copies) {
    const DType dtype = code_.lowered.storages[static_cast<std::size_t>(copy.to.storage)].dtype;
    const std::int64_t bytes = copy.elements.evaluate(sizes) * traits(dtype).block_bytes;
    if (bytes > 0) gpu_->copy_within(address(copy.to, sizes), address(copy.from, sizes), bytes);
  }
}

std::vector<Tensor> CudaProgram::run(std::span<const Tensor> inputs) {
  const Sizes sizes = bind_inputs(graph_, inputs);
  std::vector<Tensor> outputs;
  for (const Output& output : graph_.outputs) {
    const Type& type = graph_.type(output.value);
    outputs.emplace_back(type.dtype, evaluate(type.shape, sizes));
  }
  run_into(inputs, outputs);
  return outputs;
}

void CudaProgram::run_into(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  const Sizes sizes = bind_inputs(graph_, inputs);
  require(outputs.size() == graph_.outputs.size(), "expected {} outputs, got {}",
          graph_.outputs.size(), outputs.size());
  if (!loaded_) load();
  prepare(sizes);
  const auto& storages = code_.lowered.storages;
  for (std::size_t s = 0; s < storages.size(); ++s) {
    if (storages[s].kind != Storage::Kind::kInput) continue;
    fill(s, inputs[static_cast<std::size_t>(storages[s].index)]);
  }
  launch_all(sizes, false);
  copy_all(code_.lowered.output_copies, sizes);
  copy_all(code_.lowered.state_copies, sizes);
  gpu_->wait();
  for (std::size_t s = 0; s < storages.size(); ++s) {
    if (storages[s].kind != Storage::Kind::kOutput) continue;
    const auto i = static_cast<std::size_t>(storages[s].index);
    const Type& type = graph_.type(graph_.outputs[i].value);
    Tensor& output = outputs[i];
    require(output.dtype() == type.dtype && output.shape() == evaluate(type.shape, sizes) &&
                output.layout().is_dense(),
            "output {}: expected a dense {}", i, to_string(type));
    gpu_->copy_out(output.data(), buffers_[s].address(), static_cast<std::int64_t>(output.bytes()));
  }
}

Tensor CudaProgram::state(std::string_view name) {
  const Value value = graph_.find(name);
  for (const auto& [s, shape] : states_) {
    const Storage& storage = code_.lowered.storages[s];
    if (graph_.inputs[static_cast<std::size_t>(storage.index)].node != value.node) continue;
    Tensor result(storage.dtype, shape);
    gpu_->copy_out(result.data(), buffers_[s].address(), static_cast<std::int64_t>(result.bytes()));
    return result;
  }
  fail(ErrorCode::kNotFound, "no state '{}' (states exist after the first run)", name);
}

void CudaProgram::reset_state() { states_.clear(); }

}  // namespace lamina::cuda
