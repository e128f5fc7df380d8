// Convolutions of channels-last tensors against the reference device: every stride, dilation,
// padding and window, odd sizes, all float types, alone and with what follows them.
#include "exec/cpu/emit_conv.h"

#include "base/temporary_folder.h"
#include "exec/cpu/block_examples_test.h"
#include "exec/cpu/node_kernels_test.h"
#include "lamina/device.h"

using namespace lamina;
using namespace lamina::cpu;

namespace {

double bound(DType dtype) {
  return dtype == DType::kBF16 ? 0.01 : dtype == DType::kF16 ? 0.002 : 1e-5;
}

Type f32(Dims shape) { return {DType::kF32, std::move(shape), {}}; }

Dims dims_of(const Shape& shape) { return {shape.begin(), shape.end()}; }

// Many convolutions of one program, which compiles them together.
class Convolutions {
 public:
  void add(Shape x, Shape w, const Attrs& attrs, DType dtype = DType::kF32, bool constant = true) {
    const auto seed = static_cast<unsigned>(2 * graph_.nodes.size());
    const std::string number = std::to_string(graph_.outputs.size());
    inputs_.push_back(random_tensor(dtype, x, seed + 1));
    const Tensor filters = random_tensor(dtype, w, seed + 2);
    std::vector<Value> operands = {graph_.add_input("x" + number, {dtype, dims_of(x), {}})};
    if (constant) {
      operands.push_back(graph_.add_weight("w" + number, filters));
    } else {
      operands.push_back(graph_.add_input("w" + number, {dtype, dims_of(w), {}}));
      inputs_.push_back(filters);
    }
    graph_.add_output("y" + number, graph_.add("conv_last", operands, attrs));
  }

  void compare() const {
    const TemporaryFolder cache;
    const auto program =
        find_device("cpu").compile(graph_, {.threads = 1, .cache_dir = cache.path()});
    CHECK(program->stats().fallbacks == 0);
    const std::vector<Tensor> got = program->run(inputs_);
    const std::vector<Tensor> want = compile(graph_, ref_device())->run(inputs_);
    for (std::size_t i = 0; i < want.size(); ++i) {
      const Node& node = graph_.node(graph_.outputs[i].value);
      INFO(to_string(graph_.type(node.inputs[0])), " ", to_string(graph_.type(node.inputs[1])),
           " strides ", to_string(node.attrs.dims("strides")), " dilations ",
           to_string(node.attrs.dims("dilations")), " low ",
           to_string(node.attrs.dims("pads_low")));
      CHECK(relative_error(got[i], want[i]) <= bound(want[i].dtype()));
    }
  }

 private:
  Graph graph_;
  std::vector<Tensor> inputs_;
};

Attrs window(Dims strides, Dims dilations, Dims low, Dims high, bool depthwise = false) {
  return {{"strides", strides},
          {"dilations", dilations},
          {"pads_low", low},
          {"pads_high", high},
          {"depthwise", depthwise}};
}

// A convolution, a scale and a shift per filter, hardswish and a residual, as one block.
Graph fused(const Dims& x, const Dims& w, const Dims& y, const Attrs& attrs,
            const std::vector<std::string>& sizes = {}) {
  BlockBuilder b({1}, 1);
  const auto whole = [&](const std::string& name, const Dims& shape, bool constant = false) {
    return b.load(name, f32(shape), {-1}, -1, shape, constant);
  };
  const Value sums = b.op("conv_last", {whole("x", x), whole("w", w, true)}, attrs);
  const Value scaled = b.op("mul", {sums, whole("scale", {w[0]})});
  const Value shifted = b.op("add", {whole("shift", {1, 1, w[0]}), scaled});
  const Value gate = b.op("hard_sigmoid", {b.op("div", {shifted, whole("one", {1})})});
  const Value gated = b.op("mul", {shifted, gate});
  const Value residual = b.op("sub", {whole("before", y), b.op("mul", {gated, b.number(0.5)})});
  b.store(residual, {-1}, y);
  return b.build(sizes);
}

void compare(const Graph& graph, const Sizes& sizes = {}) {
  Graph plain = graph;
  std::vector<Tensor> tensors;
  for (Input& input : plain.inputs) {
    const Type& type = graph.nodes[static_cast<std::size_t>(input.node)].types[0];
    tensors.push_back(random_tensor(type.dtype, evaluate(type.shape, sizes),
                                    static_cast<unsigned>(tensors.size()) + 1));
    input.role = Role::kInput;
  }
  const Tensor want = compile(plain, ref_device())->run(tensors).at(0);
  NodeKernels kernels(graph, emit_block, tensors, sizes);
  INFO(kernels.kernels()[0].text);
  CHECK(kernels.kernels()[0].packs.size() == 1);
  const Tensor got = kernels.run()[0].clone();
  CHECK(relative_error(got, want) <= bound(want.dtype()));
  const Tensor& again = kernels.run(1)[0];
  CHECK(std::equal(got.data(), got.data() + got.bytes(), again.data()));
}

}  // namespace

TEST_CASE("every stride, dilation, padding and window") {
  for (const bool depthwise : {false, true}) {
    Convolutions all;
    for (const Dims& strides : {Dims{1, 1}, Dims{2, 3}}) {
      for (const Dims& dilations : {Dims{1, 1}, Dims{2, 1}, Dims{1, 2}}) {
        for (const bool padded : {false, true}) {
          for (const Shape& size : {Shape{1, 1}, Shape{3, 3}, Shape{2, 5}}) {
            const Attrs attrs = window(strides, dilations, padded ? Dims{1, 2} : Dims{0, 0},
                                       padded ? Dims{2, 1} : Dims{0, 0}, depthwise);
            const std::int64_t filters = depthwise ? 11 : 18, channels = depthwise ? 11 : 5;
            all.add({2, 7, 13, channels}, {filters, depthwise ? 1 : channels, size[0], size[1]},
                    attrs);
          }
        }
      }
    }
    all.compare();
  }
}

TEST_CASE("numbers of channels and filters, and ranks") {
  Convolutions all;
  const Attrs padded = window({1, 1}, {1, 1}, {1, 1}, {1, 1});
  for (const std::int64_t channels : {1, 3, 16, 300}) {
    for (const std::int64_t filters : {1, 8, 24, 33, 70}) {
      all.add({1, 6, 9, channels}, {filters, channels, 3, 3}, padded);
    }
  }
  for (const std::int64_t channels : {1, 8, 16, 24, 40}) {
    all.add({1, 6, 9, channels}, {channels, 1, 3, 3}, window({1, 1}, {1, 1}, {1, 1}, {1, 1}, true));
  }
  all.add({1, 1, 1, 70}, {130, 70, 1, 1}, {});  // a single row
  all.add({2, 1, 1, 70}, {130, 70, 1, 1}, {});  // two
  all.add({3, 70}, {20, 70}, {});               // no spatial axis
  all.add({2, 17, 6}, {9, 6, 4}, {{"strides", Dims{3}}, {"pads_low", Dims{2}}});
  all.add({2, 17, 6}, {6, 1, 4},
          {{"strides", Dims{3}}, {"pads_low", Dims{2}}, {"depthwise", true}});
  all.add({1, 4, 5, 6, 3}, {7, 3, 2, 3, 3}, {{"pads_low", Dims{1, 0, 1}}});
  all.add({1, 4, 5, 6, 3}, {3, 1, 2, 3, 3}, {{"pads_low", Dims{1, 0, 1}}, {"depthwise", true}});
  all.add({1, 3, 2, 9}, {5, 9, 2, 4}, window({1, 1}, {1, 1}, {3, 6}, {3, 6}));  // windows of zeros
  all.add({1, 3, 2, 9}, {9, 1, 2, 4}, window({1, 1}, {2, 3}, {3, 9}, {3, 9}, true));
  for (const std::int64_t filters : {6, 22, 35}) {
    all.add({1, 40, 40, 17}, {filters, 17, 3, 3}, padded);  // several blocks
    all.add({1, 13, 11, 43}, {filters, 43, 3, 3}, padded);  // and parts of the sums
  }
  all.compare();
}

TEST_CASE("other types and computed filters") {
  Convolutions all;
  for (const bool depthwise : {false, true}) {
    const Attrs attrs = window({2, 1}, {1, 1}, {1, 1}, {1, 0}, depthwise);
    const Shape w = depthwise ? Shape{6, 1, 3, 3} : Shape{19, 6, 3, 3};
    for (const DType dtype : {DType::kF64, DType::kBF16, DType::kF16}) {
      all.add({1, 9, 10, 6}, w, attrs, dtype);
    }
    all.add({1, 9, 10, 6}, w, attrs, DType::kF32, false);
  }
  all.compare();
}

TEST_CASE("what follows a convolution is stored with it") {
  const Attrs strided = window({2, 1}, {1, 1}, {1, 1}, {1, 1});
  compare(fused({2, 11, 9, 7}, {21, 7, 3, 3}, {2, 6, 9, 21}, strided));
  compare(fused({2, 11, 9, 16}, {32, 16, 1, 1}, {2, 11, 9, 32}, {}));
  compare(fused({2, 11, 9, 41}, {24, 41, 3, 3}, {2, 6, 9, 24}, strided));
  const Attrs depthwise = window({1, 2}, {1, 1}, {2, 2}, {2, 2}, true);
  compare(fused({1, 11, 19, 21}, {21, 1, 5, 5}, {1, 11, 10, 21}, depthwise));
}

TEST_CASE("named heights and widths") {
  const Dim h = Dim::size("H"), w = Dim::size("W");
  for (const Sizes& sizes : {Sizes{{"H", 3}, {"W", 5}}, Sizes{{"H", 17}, {"W", 22}}}) {
    const Attrs attrs = window({1, 1}, {1, 1}, {1, 1}, {1, 1});
    compare(fused({1, h, w, 6}, {10, 6, 3, 3}, {1, h, w, 10}, attrs, {"H", "W"}), sizes);
    Attrs depthwise = attrs;
    depthwise.set("depthwise", true);
    compare(fused({1, h, w, 6}, {6, 1, 3, 3}, {1, h, w, 6}, depthwise, {"H", "W"}), sizes);
  }
}

TEST_CASE("blocks that are not a convolution with its followers go another way") {
  // The sum over the rows follows; two convolutions.
  BlockBuilder b({1}, 1);
  const Value x = b.load("x", f32({1, 4, 4, 3}), {-1}, -1, {1, 4, 4, 3});
  const Value w = b.load("w", f32({3, 3, 1, 1}), {-1}, -1, {3, 3, 1, 1}, true);
  const Value once = b.op("conv_last", {x, w});
  b.store(b.op("conv_last", {once, w}), {-1}, {1, 4, 4, 3});
  const Graph graph = b.build();
  std::vector<Type> types;
  const Node& node = graph.node(graph.outputs[0].value);
  const EmitContext context{view(graph, node, types), node.types, {false, true}, detect_target()};
  CHECK(!conv_source(context));
}
