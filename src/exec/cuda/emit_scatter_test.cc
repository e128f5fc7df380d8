// Scatters and added windows in emulation: equal targets, targets outside, every way to combine.
#include "exec/cuda/emulated_gpu_test.h"

using namespace lamina;
using namespace lamina::cuda;

namespace {

// Calls that run as one program: one compilation for all.
class Calls {
 public:
  // `types` are of the inputs, whose integers of 64 bits are `indices`.
  void add(std::string_view op, std::vector<Type> types, Attrs attrs,
           const std::vector<std::int64_t>& indices = {}) {
    std::vector<Value> values;
    for (const Type& type : types) {
      const auto n = static_cast<unsigned>(inputs_.size());
      const Shape shape = evaluate(type.shape, {});
      values.push_back(graph_.add_input(fmt::format("x{}", n), type));
      inputs_.push_back(type.dtype == DType::kI64
                            ? Tensor::from_integers(DType::kI64, shape, indices)
                            : random_tensor(type.dtype, shape, n + 1));
    }
    graph_.add_output(fmt::format("y{}", graph_.outputs.size()),
                      graph_.add(op, values, std::move(attrs)));
  }

  void check() const {
    const std::vector<Tensor> want = compile(graph_, ref_device())->run(inputs_);
    CudaProgram program(graph_, std::make_shared<EmulatedGpu>(test_machine(), 3));
    const std::vector<Tensor> got = program.run(inputs_);
    for (std::size_t k = 0; k < want.size(); ++k) {
      INFO(graph_.outputs[k].name);
      CHECK(cpu::relative_error(got[k], want[k]) <= tolerance_of(want[k].dtype()));
    }
  }

 private:
  Graph graph_;
  std::vector<Tensor> inputs_;
};

Type integers(Dims shape) { return {DType::kI64, std::move(shape), {}}; }

}  // namespace

TEST_CASE("slices written over, added, multiplied and compared") {
  Calls calls;
  for (const char* combine : {"set", "add", "mul", "max", "min"}) {
    for (const DType dtype : {DType::kF32, DType::kI32}) {
      calls.add("scatter", {{dtype, {4, 5, 3}, {}}, integers({2, 4}), {dtype, {4, 2, 4, 3}, {}}},
                {{"axis", 1}, {"combine", std::string(combine)}}, {3, -1, 0, 3, 3, 9, -7, 0});
    }
  }
  calls.check();
}

TEST_CASE("elements and points") {
  Calls calls;
  for (const char* combine : {"set", "add"}) {
    const Attrs attrs = {{"combine", std::string(combine)}};
    calls.add("scatter_elements",
              {{DType::kBF16, {4, 3}, {}}, integers({3, 3}), {DType::kBF16, {3, 3}, {}}}, attrs,
              {0, 1, -1, 0, 1, 2, 3, 8, -4});
    calls.add("scatter_nd",
              {{DType::kF32, {4, 3, 2}, {}}, integers({5, 2}), {DType::kF32, {5, 2}, {}}}, attrs,
              {0, 1, 3, -1, 0, 1, 4, 0, 3, 2});
  }
  calls.check();
}

TEST_CASE("windows of every kind are added up") {
  Calls calls;
  calls.add("fold", {{DType::kF32, {2, 5, 3}, {}}},
            {{"window", Dims{3}}, {"strides", Dims{2}}, {"extents", Dims{11}}});
  calls.add("fold", {{DType::kF32, {2, 3, 8, 3, 2}, {}}},
            {{"window", Dims{3, 2}},
             {"strides", Dims{2, 1}},
             {"dilations", Dims{1, 3}},
             {"pads_low", Dims{1, 2}},
             {"pads_high", Dims{1, 1}},
             {"extents", Dims{5, 8}}});
  calls.check();
}
