// Drawing inputs by distribution.
#include "verify/numeric_inputs.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/rng.h"
#include "graph/real_domain.h"
#include "graph/tolerance.h"
#include "verify/index_limits.h"

namespace lamina {
namespace {

constexpr double kLargestInput = 128.0;
constexpr double kWeightDeviations = 6.0;
constexpr double kTinyScale = 0x1p-10;
constexpr double kDeviations = 16.0;  // of cancelling inputs, in units of roundoff

double middle(const ValueRange& range) { return 0.5 * range.low + 0.5 * range.high; }
double nearest_to_zero(const ValueRange& range) { return std::clamp(0.0, range.low, range.high); }

void set_range(NumericInput& input, const std::string& name, const NumericOptions& options) {
  const auto given = options.ranges.find(name);
  if (given != options.ranges.end()) {
    input.range = given->second;
    const double half = 0.5 * (input.range.high - input.range.low);
    input.size = std::min(1.0, half / 3.0);
  } else if (input.is_weight) {
    const std::size_t rank = input.shape.size();
    const double rows = rank >= 2 ? static_cast<double>(input.shape[rank - 2]) : 1.0;
    input.size = 1.0 / std::sqrt(std::max(1.0, rows));
    input.range = {-kWeightDeviations * input.size, kWeightDeviations * input.size};
  } else {
    input.range = {-kLargestInput, kLargestInput};
  }
  if (input.elements.empty()) return;
  const auto [low, high] = std::minmax_element(input.elements.begin(), input.elements.end());
  input.range = {*low, *high};
}

void set_integers(NumericInput& input, std::optional<std::int64_t> limit) {
  if (input.dtype == DType::kBool) {
    input.last = 1;
  } else if (limit) {
    const std::int64_t most = input.dtype == DType::kI8   ? 127
                              : input.dtype == DType::kU8 ? 255
                                                          : std::int64_t{1} << 30;
    input.last = std::max<std::int64_t>(0, std::min(*limit - 1, most));
  } else {
    input.first = input.dtype == DType::kU8 ? 0 : -4;
    input.last = 8;
  }
}

// One tensor of reals.
class Draw {
 public:
  Draw(const NumericInput& input, Rng rng) : input_(input), rng_(rng) {}

  std::vector<double> values(Distribution distribution, int index) {
    const std::size_t count = static_cast<std::size_t>(element_count(input_.shape));
    std::vector<double> x(count);
    const std::size_t row = row_length();
    const double tensor_sign = rng_.chance(0.5) ? 1.0 : 0.0;
    for (std::size_t start = 0; start < count; start += row) {
      const std::span<double> line = std::span(x).subspan(start, row);
      switch (distribution) {
        case Distribution::kLarge:
          for (double& v : line) v = rng_.uniform(input_.range.low, input_.range.high);
          break;
        case Distribution::kCancelling:
          for (double& v : line) v = cancelling();
          break;
        case Distribution::kCorner:
          std::fill(line.begin(), line.end(), corner(index, tensor_sign));
          break;
        case Distribution::kConstantRows:
          std::fill(line.begin(), line.end(), normal(4.0));
          break;
        case Distribution::kOneHot:
          std::fill(line.begin(), line.end(), nearest_to_zero(input_.range));
          line[static_cast<std::size_t>(rng_.integer(0, static_cast<std::int64_t>(row) - 1))] =
              input_.range.high;
          break;
        case Distribution::kTiny:
          for (double& v : line) {
            v = nearest_to_zero(input_.range) + kTinyScale * input_.size * rng_.normal();
          }
          break;
        case Distribution::kNormal:
        case Distribution::kMasked:
          for (double& v : line) v = normal(1.0);
          break;
      }
    }
    for (double& v : x) v = std::clamp(v, input_.range.low, input_.range.high);
    return x;
  }

  // Hides a part of each row, at least one element of which stays: all but the last in the first
  // row, all but the first in the second.
  void mask(std::vector<double>& x) {
    const std::size_t row = row_length();
    for (std::size_t start = 0; start < x.size(); start += row) {
      const std::size_t line = start / row;
      const auto most = static_cast<std::int64_t>(row) - 1;
      const auto hidden = static_cast<std::size_t>(line < 2 ? most : rng_.integer(0, most));
      const bool leading = line < 2 ? line == 0 : rng_.chance(0.5);
      const std::size_t from = start + (leading ? 0 : row - hidden);
      std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(from), hidden,
                  -std::numeric_limits<double>::infinity());
    }
  }

 private:
  std::size_t row_length() const {
    return input_.shape.empty()
               ? 1
               : static_cast<std::size_t>(std::max<std::int64_t>(1, input_.shape.back()));
  }
  double normal(double scale) { return middle(input_.range) + scale * input_.size * rng_.normal(); }
  double cancelling() {
    const double centre = middle(input_.range) + (input_.range.high - input_.range.low) / 8.0;
    return centre * (1.0 + kDeviations * unit_roundoff(input_.dtype) * rng_.normal());
  }
  double corner(int index, double tensor_sign) {
    const double towards = index == 0   ? 1.0
                           : index == 1 ? 0.0
                           : index == 2 ? tensor_sign
                                        : (rng_.chance(0.5) ? 1.0 : 0.0);
    return towards > 0.5 ? input_.range.high : input_.range.low;
  }

  const NumericInput& input_;
  Rng rng_;
};

void round_to_type(std::vector<double>& x, DType dtype) {
  for (double& v : x) v = RealDomain{}.round_to(v, dtype);
}

std::vector<std::int64_t> draw_integers(const NumericInput& input, Rng rng) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(element_count(input.shape)));
  for (std::int64_t& value : values) value = rng.integer(input.first, input.last);
  return values;
}

bool is_maskable(const NumericInput& input) {
  return traits(input.dtype).is_float && !input.is_weight && !input.shape.empty() &&
         input.shape.back() > 1;
}

// The input that sample `index` of kMasked hides parts of.
std::size_t masked_input(const std::vector<NumericInput>& inputs, int index) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (is_maskable(inputs[i]) && index-- == 0) return i;
  }
  return inputs.size();
}

}  // namespace

std::vector<NumericInput> numeric_inputs(const Graph& reference, const Graph& candidate,
                                         const NumericOptions& options) {
  const auto limits = index_limits(reference, {});
  const auto other_limits = index_limits(candidate, {});
  std::vector<NumericInput> inputs;
  for (std::size_t i = 0; i < reference.inputs.size(); ++i) {
    const Input& from = reference.inputs[i];
    const Node& node = reference.nodes[static_cast<std::size_t>(from.node)];
    NumericInput input;
    input.dtype = node.types[0].dtype;
    input.shape = evaluate(node.types[0].shape, {});
    input.is_weight = from.role == Role::kWeight;
    input.given = input.is_weight && !from.value.empty();
    if (traits(input.dtype).is_float) {
      if (input.given) input.elements = from.value.to_doubles();
      set_range(input, node.name, options);
      if (input.is_weight && !input.given) {
        input.elements = Draw(input, Rng(options.seed).split(i)).values(Distribution::kNormal, 0);
      }
      round_to_type(input.elements, input.dtype);
    } else {
      if (input.given) input.integers = from.value.to_integers();
      auto limit = limits[i];
      if (other_limits[i]) limit = std::min(limit.value_or(INT64_MAX), *other_limits[i]);
      set_integers(input, limit);
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

int sample_count(Distribution distribution, const std::vector<NumericInput>& inputs) {
  if (distribution == Distribution::kCorner) return 4;
  if (distribution != Distribution::kMasked) return 2;
  return static_cast<int>(std::count_if(inputs.begin(), inputs.end(), is_maskable));
}

std::vector<Array<double>> draw_sample(const std::vector<NumericInput>& inputs,
                                       Distribution distribution, int index, std::uint64_t seed) {
  const Rng base = Rng(seed)
                       .split(static_cast<std::uint64_t>(distribution))
                       .split(static_cast<std::uint64_t>(index));
  const bool masks = distribution == Distribution::kMasked;
  const std::size_t masked = masks ? masked_input(inputs, index) : inputs.size();
  std::vector<Array<double>> sample;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const NumericInput& input = inputs[i];
    const bool real = traits(input.dtype).is_float;
    Array<double> array{input.dtype, input.shape, {}, {}, !real};
    const Rng rng = base.split(i);
    const bool plain = input.given || distribution != Distribution::kCorner;
    if (!real) {
      array.whole = input.given ? input.integers : draw_integers(input, rng);
    } else if (input.is_weight && plain) {
      array.real = input.elements;
    } else {
      Draw draw(input, rng);
      array.real = draw.values(distribution, index);
      if (i == masked) draw.mask(array.real);
      round_to_type(array.real, input.dtype);
    }
    sample.push_back(std::move(array));
  }
  return sample;
}

}  // namespace lamina
