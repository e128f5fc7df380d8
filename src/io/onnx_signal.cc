// ONNX windows and the discrete Fourier transform.
#include <cmath>
#include <numbers>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

constexpr std::int64_t kMaxLength = 4096;  // of a transform, which is a product with n x n numbers

// a0 - a1 cos(2 pi i / n) + a2 cos(4 pi i / n), n being one less unless the window is periodic.
Items window(const OnnxCall& call, double a0, double a1, double a2) {
  const std::int64_t size = call.known(0, "size").to_integers().at(0);
  require(size >= 0, "a window of {} elements", size);
  if (size > (1 << 20)) call.refuse("a window of {} elements", size);
  const OnnxElement& element = onnx_element(call.integer("output_datatype", 1));
  if (!element.dtype) call.refuse("output_datatype {}", element.name);
  const bool periodic = call.integer("periodic", 1) != 0;
  const double n = static_cast<double>(periodic ? size : size - 1);
  std::vector<double> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double angle = n == 0 ? 0.0 : 2 * std::numbers::pi * static_cast<double>(i) / n;
    values[i] = a0 - a1 * std::cos(angle) + a2 * std::cos(2 * angle);
  }
  return {constant_item(Tensor::from_doubles(*element.dtype, {size}, values))};
}

Items hann(const OnnxCall& call) { return window(call, 0.5, 0.5, 0.0); }
Items hamming(const OnnxCall& call) { return window(call, 25.0 / 46.0, 21.0 / 46.0, 0.0); }
Items blackman(const OnnxCall& call) { return window(call, 0.42, 0.5, 0.08); }

// [from, to] cosines or sines of 2 pi * row * column / n.
Item waves(DType dtype, std::int64_t from, std::int64_t to, std::int64_t n, bool sine) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < from; ++i) {
    for (std::int64_t k = 0; k < to; ++k) {
      const double angle =
          2 * std::numbers::pi * static_cast<double>(i * k % n) / static_cast<double>(n);
      values.push_back(sine ? std::sin(angle) : std::cos(angle));
    }
  }
  return constant_item(Tensor::from_doubles(dtype, {from, to}, values));
}

// x is [..., n, ..., 1 or 2] (real, or real and imaginary parts); the result has parts too. The
// transformed axis is moved next to the last, where a product with the waves transforms it.
Items dft(const OnnxCall& call) {
  OnnxBuilder& b = call.b;
  const Item& x = call.in(0);
  require(x.rank() >= 2, "expected at least rank 2, got {}", x.rank());
  const int axis = call.axis(call.integer("axis", 1), x.rank());
  require(static_cast<std::size_t>(axis) + 1 < x.rank(), "axis {} holds the parts", axis);
  const Dim& extent = x.shape[static_cast<std::size_t>(axis)];
  const Dim parts = x.shape.back();
  if (!extent.is_constant() || (parts != Dim(1) && parts != Dim(2))) {
    call.refuse("a signal of shape {}", to_string(x.shape));
  }
  const std::int64_t length =
      call.has(1) ? call.known(1, "dft_length").to_integers().at(0) : *extent.constant();
  require(length > 0, "a length of {}", length);
  if (length > kMaxLength) call.refuse("a length of {} (up to {})", length, kMaxLength);
  const bool inverse = call.integer("inverse", 0) != 0;
  const bool onesided = call.integer("onesided", 0) != 0;
  if (inverse && onesided) call.refuse("inverse and onesided");
  // Shorter signals are padded with zeros (which the product leaves out), longer ones cut.
  const std::int64_t used = std::min(length, *extent.constant());
  const std::int64_t count = onesided ? length / 2 + 1 : length;
  std::vector<int> order, back;
  for (int i = 0; i < static_cast<int>(x.rank()); ++i) {
    if (i != axis) order.push_back(i);
  }
  order.push_back(axis);
  back.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    back[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  }
  const Item moved = b.transpose(b.slice(x, axis, 0, used), order);  // [..., parts, used]
  const int part_axis = static_cast<int>(x.rank()) - 2;
  const Item cosines = waves(x.dtype, used, count, length, false);
  const Item sines = waves(x.dtype, used, count, length, true);
  const auto times = [&](std::int64_t part, const Item& wave) {
    return b.add("matmul", {b.slice(moved, part_axis, part, 1), wave});
  };
  // (re + i im)(cos - i sin), or its conjugate wave for the inverse.
  Item re = times(0, cosines);
  Item im = inverse ? times(0, sines) : b.add("neg", {times(0, sines)});
  if (parts == Dim(2)) {
    re = b.add(inverse ? "sub" : "add", {re, times(1, sines)});
    im = b.add("add", {im, times(1, cosines)});
  }
  Item y = b.transpose(b.concat({re, im}, part_axis), back);
  if (inverse) {
    y = b.add("div", {y, OnnxBuilder::scalar(static_cast<double>(length), x.dtype)});
  }
  return {y};
}

}  // namespace

std::span<const OnnxRule> onnx_signal_rules() {
  static const OnnxRule rules[] = {
      {"HannWindow", hann}, {"HammingWindow", hamming}, {"BlackmanWindow", blackman}, {"DFT", dft}};
  return rules;
}

}  // namespace lamina
