// random_bits: 64 random bits per counter, a function of counter and seed alone.
//
// Philox4x32-10 with the counter (low word, high word, 0, 0) and the key (low and high word of the
// seed); the result is its first two words, the first one low. Distinct counters give independent
// values, so a caller counts elements (iota) and steps, and every device draws the same numbers.
#include "base/check.h"
#include "graph/kinds.h"
#include "num/philox.h"

namespace lamina::ops {
namespace {

struct RandomBits {
  template <class T>
  static T apply(std::span<const T> x, const Attrs& attrs) {
    using num::bit_and;
    using num::bit_or;
    using num::like;
    using num::shift_left;
    using num::shift_right;
    const T zero = like(x[0], 0);
    const T low_word = like(x[0], 0xffffffff);
    const T width = like(x[0], 32);
    const auto seed = num::raw(attrs.integer("seed"));
    const T key_low = like(x[0], static_cast<double>(seed & 0xffffffff));
    const T key_high = like(x[0], static_cast<double>(seed >> 32));
    const T high = bit_and(shift_right(x[0], width), low_word);
    const auto words =
        num::philox<T>({bit_and(x[0], low_word), high, zero, zero}, {key_low, key_high});
    return bit_or(words[0], shift_left(words[1], width));
  }
};

std::vector<Type> infer(const NodeView& node) {
  require(node.inputs[0].dtype == DType::kI64, "random_bits: expected i64 counters, got {}",
          traits(node.inputs[0].dtype).name);
  return infer_integer(node);
}

std::vector<Sample> samples() {
  return {{.inputs = {{DType::kI64, {37}, {}}},
           .attrs = {{"seed", std::int64_t{0x123456789abcdef}}},
           .integer_ranges = {{-1000, 1000}},
           .differentiable = false}};
}

}  // namespace

OpDef random_bits() {
  return {.name = "random_bits",
          .attrs = {{"seed", AttrKind::kInteger, std::int64_t{0}}},
          .flops = 80.0,
          .infer = infer,
          .scalar = whole_meaning<RandomBits>(),
          .samples = samples};
}

}  // namespace lamina::ops
