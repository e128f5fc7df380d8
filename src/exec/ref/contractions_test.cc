// Known answers of sums of products and of sliding windows.
#include <doctest/doctest.h>

#include "exec/ref/operator_testing.h"
#include "lamina/error.h"

using namespace lamina;
using Reals = std::vector<double>;

TEST_CASE("einsum: traces, diagonals, ellipses, implicit outputs") {
  const auto einsum = [](const char* equation, const std::vector<Operand>& operands) {
    return run_op("einsum", operands, {{"equation", std::string(equation)}});
  };
  const Operand square = counted({3, 3});
  CHECK(einsum("ii", {square}) == Reals{12});
  CHECK(einsum("ii->i", {square}) == Reals{0, 4, 8});
  CHECK(einsum("ba", {counted({2, 3})}) == Reals{0, 3, 1, 4, 2, 5});
  CHECK(einsum("...j,j->...", {counted({2, 2, 2}), {{2}, {1, -1}}}) == Reals{-1, -1, -1, -1});
  CHECK(einsum("i,j,k->", {counted({2}, 1), counted({2}, 1), counted({3}, 1)}) == Reals{54});
  CHECK_THROWS_WITH_AS(einsum("ij,jk->ik", {square, counted({2, 3})}),
                       "einsum: one index has the sizes 3 and 2 (operand 1)", Error);
}

// The example of ONNX's Conv: 0..24 under a window of ones.
TEST_CASE("a convolution with padding and strides") {
  const Operand x = counted({1, 1, 5, 5});
  const Operand ones{{1, 1, 3, 3}, Reals(9, 1.0)};
  CHECK(run_op("conv", {x, ones},
               {{"strides", Dims{2, 2}}, {"pads_low", Dims{1, 1}}, {"pads_high", Dims{1, 1}}}) ==
        Reals{12, 27, 24, 63, 108, 81, 72, 117, 84});
  CHECK_THROWS_WITH_AS(run_op("conv", {counted({1, 6, 5}), counted({2, 8, 3})}),
                       "conv: input has 6 channels but the filter expects 8", Error);
}

TEST_CASE("a depthwise convolution keeps channels apart and adds the bias") {
  const Operand x{{1, 2, 3}, {1, 2, 3, 4, 5, 6}};
  const Operand w{{2, 1, 2}, {1, 1, 1, -1}};
  CHECK(run_op("conv", {x, w, {{2}, {0, 10}}}, {{"groups", 2}}) == Reals{3, 5, 9, 9});
}

// The example of ONNX's ConvTranspose in one dimension.
TEST_CASE("a transposed convolution") {
  const Operand x = counted({1, 1, 3});
  const Operand ones{{1, 2, 3}, Reals(6, 1.0)};
  CHECK(run_op("conv_transpose", {x, ones}) == Reals{0, 1, 3, 3, 2, 0, 1, 3, 3, 2});
  const Operand w{{1, 1, 2}, {1, 2}};
  CHECK(run_op("conv_transpose", {x, w}, {{"strides", Dims{3}}, {"output_padding", Dims{1}}}) ==
        Reals{0, 0, 0, 1, 2, 0, 2, 4, 0});
}

TEST_CASE("pooling: what a window covers and what its mean counts") {
  const Attrs padded = {{"window", Dims{2}}, {"pads_low", Dims{1}}, {"strides", Dims{2}}};
  const Operand x = counted({1, 1, 4}, 1);
  CHECK(run_op("max_pool", {x}, padded) == Reals{1, 3});
  CHECK(run_op("avg_pool", {x}, padded) == Reals{1, 2.5});
  Attrs counting = padded;
  counting.set("count_padding", true);
  CHECK(run_op("avg_pool", {x}, counting) == Reals{0.5, 2.5});
  counting.set("ceil_mode",
               true);  // the third window reaches beyond the padding, which never counts
  CHECK(run_op("avg_pool", {x}, counting) == Reals{0.5, 2.5, 4});
  CHECK(run_op("lp_pool", {{{1, 1, 2}, {3, 4}}}, {{"window", Dims{2}}}) == Reals{5});
}

// The example of ONNX's MaxPool with ceil_mode, and its rule that no window begins in the padding
// behind the last element.
TEST_CASE("ceil_mode") {
  CHECK(run_op("max_pool", {counted({1, 1, 4, 4}, 1)},
               {{"window", Dims{3, 3}}, {"strides", Dims{2, 2}}, {"ceil_mode", true}}) ==
        Reals{11, 12, 15, 16});
  CHECK(run_op("max_pool", {counted({1, 1, 2, 2}, 1)},
               {{"window", Dims{1, 1}}, {"strides", Dims{2, 2}}, {"ceil_mode", true}}) == Reals{1});
}

TEST_CASE("fold adds up what unfold laid side by side") {
  const Attrs windows = {{"window", Dims{2}}, {"pads_low", Dims{1}}};
  const Reals sides = run_op("unfold", {counted({3}, 1)}, windows);
  CHECK(sides == Reals{0, 1, 1, 2, 2, 3});
  Attrs folding = windows;
  folding.set("extents", Dims{3});
  CHECK(run_op("fold", {{{3, 2}, sides}}, folding) == Reals{2, 4, 3});
}
