// Orderings in emulation: ties, NaN, and lines for each of the three kernels.
#include <cmath>

#include "exec/cuda/emulated_gpu_test.h"

using namespace lamina;
using namespace lamina::cuda;

namespace {

// Few different elements, some of them NaN or infinite.
Tensor with_ties(DType dtype, const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
  for (double& value : values) {
    value = static_cast<double>(random() % 9) - 4.0;
    if (!traits(dtype).is_float) continue;
    if (value == 3.0) value = NAN;
    if (value == -4.0) value = -INFINITY;
  }
  return Tensor::from_doubles(dtype, shape, values);
}

// Orderings that run as one program: one compilation for all.
class Orders {
 public:
  explicit Orders(std::int64_t shared_bytes = 0) {
    if (shared_bytes > 0) machine_.shared_bytes_per_block = shared_bytes;
  }

  // `kernel` is in the text of the kernel that this ordering must have.
  void add(std::string_view op, Attrs attrs, DType dtype, const Shape& shape,
           std::string_view kernel) {
    const std::size_t n = inputs_.size();
    const Value x =
        graph_.add_input(fmt::format("x{}", n), {dtype, Dims(shape.begin(), shape.end()), {}});
    const Value y = graph_.add(op, {x}, std::move(attrs));
    std::vector<Type> types;
    const Node& node = graph_.node(y);
    CHECK(emit({view(graph_, node, types), node.types, machine_, {}})[0].text.find(kernel) !=
          std::string::npos);
    for (std::size_t k = 0; k < node.types.size(); ++k) {
      graph_.add_output(fmt::format("y{}_{}", n, k), {y.node, static_cast<std::int32_t>(k)});
    }
    inputs_.push_back(with_ties(dtype, shape, static_cast<unsigned>(n) + 1));
  }

  void check() const {
    const std::vector<Tensor> want = compile(graph_, ref_device())->run(inputs_);
    CudaProgram program(graph_, std::make_shared<EmulatedGpu>(machine_, 5));
    const std::vector<Tensor> got = program.run(inputs_);
    for (std::size_t k = 0; k < want.size(); ++k) {
      INFO(graph_.outputs[k].name);
      CHECK(cpu::relative_error(got[k], want[k]) == 0.0);
    }
  }

 private:
  GpuMachine machine_ = test_machine();
  Graph graph_;
  std::vector<Tensor> inputs_;
};

constexpr std::string_view kSelect = "lm_best_of_block", kSort = "before_in_line",
                           kRank = "rank +=";

}  // namespace

TEST_CASE("the largest and the smallest, the first and the last of equal ones") {
  Orders orders;
  for (const char* op : {"argmax", "argmin"}) {
    for (const bool last : {false, true}) {
      const Attrs attrs = {{"axis", 1}, {"select_last", last}};
      orders.add(op, attrs, DType::kF32, {3, 300, 2}, kSelect);
      orders.add(op, attrs, DType::kI32, {3, 7, 2}, kSelect);
      orders.add(op, attrs, DType::kBF16, {1, 1000, 1}, kSelect);
    }
  }
  orders.check();
}

TEST_CASE("the best few of a line") {
  Orders orders;
  for (const bool largest : {false, true}) {
    const auto best = [&](std::int64_t k) {
      return Attrs{{"k", Dims{k}}, {"axis", 0}, {"largest", largest}};
    };
    orders.add("top_k", best(5), DType::kF32, {70, 3}, kSelect);
    orders.add("top_k", best(5), DType::kI64, {5, 3}, kSelect);
    orders.add("top_k", best(40), DType::kF32, {100, 2}, kSort);
  }
  orders.check();
}

TEST_CASE("lines are sorted in shared memory, or by counting where they do not fit") {
  Orders orders, few(1024);
  for (const bool descending : {false, true}) {
    const Attrs attrs = {{"axis", 1}, {"descending", descending}};
    for (const std::int64_t line : {33, 64, 257}) {
      orders.add("sort", attrs, DType::kF32, {2, line, 3}, kSort);
      orders.add("sort", attrs, DType::kF64, {2, line}, kSort);
    }
    few.add("sort", attrs, DType::kI8, {2, 300}, kRank);
    few.add("sort", attrs, DType::kF16, {2, 300, 2}, kRank);
  }
  orders.check();
  few.check();
}
