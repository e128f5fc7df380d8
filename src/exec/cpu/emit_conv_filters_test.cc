// Gradients of filters against the reference device: blocks of lines, borders, strides, dilations,
// filters that fill no vector, shares of a batch of any size.
#include "exec/cpu/emit_conv_filters.h"

#include "base/temporary_folder.h"
#include "exec/cpu/node_kernels_test.h"
#include "lamina/device.h"

using namespace lamina;
using namespace lamina::cpu;

namespace {

struct Filters {
  Shape x;  // [n, spatial..., c]
  std::int64_t filters;
  Dims window;
  Attrs attrs;
};

Graph graph_of(const Filters& f, const Dim& batch) {
  Graph graph;
  if (!batch.is_constant()) graph.sizes = {{"N", 1, 64}};
  Dims x(f.x.begin(), f.x.end());
  x[0] = batch;
  const Value input = graph.add_input("x", {DType::kF32, x, {}});
  Dims w = {f.filters, f.x.back()};
  w.insert(w.end(), f.window.begin(), f.window.end());
  const Value weight = graph.add_weight("w", Tensor(DType::kF32, *constant_shape(w)));
  Attrs attrs = f.attrs;
  attrs.erase("parts");
  const Dims shape = graph.type(graph.add("conv_last", {input, weight}, attrs)).shape;
  const Value grad = graph.add_input("grad", {DType::kF32, shape, {}});
  attrs = f.attrs;
  attrs.set("window", f.window);
  graph.add_output("y", graph.add("conv_last_filters", {input, grad}, attrs));
  return graph;
}

void compare(const Filters& f, const Dim& batch) {
  const Graph graph = graph_of(f, batch);
  const Shape grad = evaluate(graph.type(graph.find("grad")).shape, {{"N", f.x[0]}});
  const std::vector<Tensor> inputs = {random_tensor(DType::kF32, f.x, 1),
                                      random_tensor(DType::kF32, grad, 2)};
  const TemporaryFolder cache;
  const auto program = find_device("cpu").compile(graph, {.threads = 2, .cache_dir = cache.path()});
  CHECK(program->source().find("conv_filters") != std::string::npos);
  const Tensor want = compile(graph, ref_device())->run(inputs)[0];
  CHECK(relative_error(program->run(inputs)[0], want) <= 1e-5);
}

}  // namespace

TEST_CASE("gradients of filters agree with the reference device") {
  const Attrs same = {{"pads_low", Dims{1, 1}}, {"pads_high", Dims{1, 1}}};
  Attrs shares = same;
  shares.set("parts", std::int64_t{3});
  const std::vector<Filters> all = {
      {{3, 26, 25, 16}, 16, {3, 3}, shares},                      // several blocks of lines
      {{2, 9, 8, 5}, 7, {3, 3}, same},                            // odd channels and filters
      {{2, 8, 8, 6}, 24, {1, 1}, {{"strides", Dims{2, 2}}}},      // nothing is copied
      {{1, 12, 11, 3}, 33, {3, 2}, {{"dilations", Dims{2, 3}}}},  // wide
      {{4, 20, 4}, 8, {5}, {{"strides", Dims{3}}, {"pads_low", Dims{2}}, {"pads_high", Dims{4}}}},
      {{2, 7, 9, 4}, 16, {3, 3}, {{"pads_low", Dims{-1, 2}}, {"pads_high", Dims{0, -2}}}}};
  for (const Filters& f : all) {
    CAPTURE(to_string(f.x));
    compare(f, f.x[0]);
  }
  compare(all[1], Dim::size("N"));
}
