// Runs the kernels of one node without the runtime: for tests of emitters.
#pragma once

#include <doctest/doctest.h>
#include <fmt/core.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <vector>

#include "exec/cpu/compile_cache.h"
#include "exec/cpu/kernel.h"
#include "exec/cpu/target.h"
#include "exec/ref/ref_device.h"
#include "graph/access_plan.h"
#include "graph/array.h"
#include "num/half.h"

namespace lamina::cpu {

// Uniform in [-1, 1] (integers: small), rounded to the dtype.
inline Tensor random_tensor(DType dtype, const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
  const double scale = traits(dtype).is_float ? 1.0 : 50.0;
  for (double& value : values) value = uniform(random) * scale;
  return Tensor::from_doubles(dtype, shape, values);
}

// The elements of a PackRequest, element by element.
inline Tensor pack(const PackRequest& request, const Tensor& from, const Sizes& sizes) {
  const Shape batch = evaluate(request.batch, sizes), k = evaluate(request.k, sizes),
              n = evaluate(request.n, sizes);
  Shape extents = batch;
  extents.insert(extents.end(), k.begin(), k.end());
  extents.insert(extents.end(), n.begin(), n.end());
  Access access = request.access;
  const std::vector<Shape> shapes = {from.shape()};
  const BoundAccess bound(access, from.shape(), shapes);
  const std::int64_t depth = element_count(k), columns = element_count(n);
  const std::int64_t panels = (columns + request.panel - 1) / request.panel;
  CHECK(request.interleave == 1);
  Tensor to(request.dtype, {element_count(batch) * panels * depth * request.panel});
  const std::vector<double> elements = from.to_doubles();
  std::vector<double> out(static_cast<std::size_t>(to.size()), 0.0);
  Walker at(extents, std::vector<std::int64_t>(extents.size(), 0));
  for (std::int64_t i = 0; i < element_count(extents); ++i, at.next()) {
    const std::int64_t column = i % columns, row = i / columns % depth, b = i / columns / depth;
    const std::int64_t place =
        ((b * panels + column / request.panel) * depth + row) * request.panel +
        column % request.panel;
    const std::int64_t offset = bound.offset(at.index, [](int, std::int64_t) { return 0; });
    if (offset >= 0) {
      out[static_cast<std::size_t>(place)] = elements[static_cast<std::size_t>(offset)];
    }
  }
  return Tensor::from_doubles(request.dtype, to.shape(), out);
}

// A graph of one node on inputs; those of role kWeight are constant.
class NodeKernels {
 public:
  using Emit = std::vector<Kernel> (*)(const EmitContext&);

  NodeKernels(const Graph& graph, Emit emit, std::vector<Tensor> inputs, const Sizes& sizes = {},
              const Target& target = detect_target())
      : inputs_(std::move(inputs)) {
    const Node& node = graph.node(graph.outputs.at(0).value);
    std::vector<Type> types;
    EmitContext context{view(graph, node, types), node.types, {}, target};
    for (const Value& input : node.inputs) {
      context.constant_inputs.push_back(graph.input(input.node)->role == Role::kWeight);
    }
    kernels_ = emit(context);
    const auto compiler = find_compiler();
    REQUIRE(compiler.has_value());
    std::vector<std::string> texts;
    for (const Kernel& kernel : kernels_) texts.push_back(kernel.text);
    const auto folder =
        std::filesystem::temp_directory_path() / fmt::format("lamina_node_kernels_{}", getuid());
    loaded_ = CompileCache(folder.string(), *compiler, target).load(texts, 64);
    for (const Type& type : node.types)
      outputs_.emplace_back(type.dtype, evaluate(type.shape, sizes));
    for (const Kernel& kernel : kernels_) bind(kernel, sizes);
  }

  // Runs the tasks in steps of `grain` (0: all at once), the last ones first.
  const std::vector<Tensor>& run(std::int64_t grain = 0) {
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
      const std::int64_t step = grain == 0 ? std::max<std::int64_t>(1, tasks_[i]) : grain;
      for (std::int64_t at = (tasks_[i] - 1) / step * step; at >= 0; at -= step) {
        run_tasks(i, at, std::min(at + step, tasks_[i]), scratch_[i]->data());
      }
    }
    return outputs_;
  }

  void run_tasks(std::size_t i, std::int64_t begin, std::int64_t end, std::byte* scratch) const {
    const KernelCall call{buffers_[i].data(), sizes_[i].data(), reinterpret_cast<char*>(scratch)};
    loaded_.functions[i](&call, begin, end);
  }
  std::int64_t tasks() const { return tasks_[0]; }
  std::int64_t scratch_bytes() const { return static_cast<std::int64_t>(scratch_[0]->bytes()); }
  const std::vector<Kernel>& kernels() const { return kernels_; }

 private:
  void bind(const Kernel& kernel, const Sizes& sizes) {
    std::vector<void*> buffers;
    for (const BufferUse& use : kernel.buffers) {
      const auto index = static_cast<std::size_t>(use.index);
      if (use.kind == BufferUse::Kind::kPacked) {
        const PackRequest& request = kernel.packs[index];
        packed_.push_back(pack(request, inputs_[static_cast<std::size_t>(request.input)], sizes));
        buffers.push_back(packed_.back().data());
      } else {
        buffers.push_back(use.kind == BufferUse::Kind::kInput ? inputs_[index].data()
                                                              : outputs_[index].data());
      }
    }
    buffers_.push_back(buffers);
    std::vector<long> values;
    for (const std::string& name : kernel.sizes) values.push_back(sizes.at(name));
    sizes_.push_back(values);
    tasks_.push_back(kernel.tasks.evaluate(sizes));
    scratch_.push_back(
        Buffer::allocate(static_cast<std::size_t>(kernel.scratch_bytes.evaluate(sizes)) + 64));
  }

  std::vector<Tensor> inputs_;
  std::vector<Tensor> outputs_;
  std::vector<Tensor> packed_;
  std::vector<Kernel> kernels_;
  CompileCache::Loaded loaded_;
  std::vector<std::vector<void*>> buffers_;
  std::vector<std::vector<long>> sizes_;
  std::vector<std::int64_t> tasks_;
  std::vector<std::shared_ptr<Buffer>> scratch_;
};

// Largest |got - want| / (|want| + mean |want|), infinity where one of them is not finite alone.
inline double relative_error(const Tensor& got, const Tensor& want) {
  const std::vector<double> a = got.to_doubles(), b = want.to_doubles();
  double mean = 1e-30, worst = 0.0;
  for (const double value : b) mean += std::fabs(value) / static_cast<double>(b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double error = std::fabs(a[i] - b[i]) / (std::fabs(b[i]) + mean);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

}  // namespace lamina::cpu
