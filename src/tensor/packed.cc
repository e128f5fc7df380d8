// The packed element types. Layouts: docs/formats.md, "Packed element types".
#include "tensor/packed.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "num/half.h"

namespace lamina {
namespace {

constexpr int kBlock = 32;
constexpr int kCodebookBlock = 256;
constexpr int kCodes = 16;

double read_f16(const std::byte* at) {
  f16 value;
  std::memcpy(&value.bits, at, sizeof value.bits);
  return static_cast<double>(value);
}

void write_f16(double value, std::byte* at) {
  const f16 half(value);
  std::memcpy(at, &half.bits, sizeof half.bits);
}

// Element i of a q4 block lies in the low half of byte i for i < 16, else in the high half of
// byte i - 16.
int nibble(const std::byte* packed, int i) {
  const auto byte = std::to_integer<int>(packed[i % (kBlock / 2)]);
  return i < kBlock / 2 ? byte & 15 : byte >> 4;
}

void set_nibble(std::byte* packed, int i, int value) {
  std::byte& byte = packed[i % (kBlock / 2)];
  byte = i < kBlock / 2 ? (byte & std::byte{0xf0}) | std::byte(value)
                        : (byte & std::byte{0x0f}) | std::byte(value << 4);
}

int clamp_round(double value, int low, int high) {
  return std::clamp(static_cast<int>(std::nearbyint(value)), low, high);
}

double largest(std::span<const double> x) {
  double peak = 0.0;
  for (const double v : x) peak = std::max(peak, std::fabs(v));
  return peak;
}

void encode_q8_0(std::span<const double> x, std::byte* out) {
  write_f16(largest(x) / 127.0, out);
  const double scale = read_f16(out);
  for (int i = 0; i < kBlock; ++i) {
    const int q = scale == 0.0 ? 0 : clamp_round(x[static_cast<std::size_t>(i)] / scale, -127, 127);
    out[2 + i] = std::byte(static_cast<std::uint8_t>(static_cast<std::int8_t>(q)));
  }
}

void encode_q4_0(std::span<const double> x, std::byte* out) {
  write_f16(largest(x) / 7.0, out);
  const double scale = read_f16(out);
  for (int i = 0; i < kBlock; ++i) {
    const int q = scale == 0.0 ? 8 : clamp_round(x[static_cast<std::size_t>(i)] / scale + 8, 0, 15);
    set_nibble(out + 2, i, q);
  }
}

void encode_q4_1(std::span<const double> x, std::byte* out) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  write_f16((*high - *low) / 15.0, out);
  write_f16(*low, out + 2);
  const double scale = read_f16(out);
  const double minimum = read_f16(out + 2);
  for (int i = 0; i < kBlock; ++i) {
    const double at = x[static_cast<std::size_t>(i)] - minimum;
    set_nibble(out + 4, i, scale == 0.0 ? 0 : clamp_round(at / scale, 0, 15));
  }
}

using Codebook = std::array<float, kCodes>;

int nearest(const Codebook& book, double value) {
  int best = 0;
  for (int k = 1; k < kCodes; ++k) {
    if (std::fabs(book[static_cast<std::size_t>(k)] - value) <
        std::fabs(book[static_cast<std::size_t>(best)] - value)) {
      best = k;
    }
  }
  return best;
}

// Lloyd's algorithm from the quantiles of the block.
Codebook fit_codebook(std::span<const double> x) {
  std::vector<double> sorted(x.begin(), x.end());
  std::sort(sorted.begin(), sorted.end());
  Codebook book{};
  for (std::size_t k = 0; k < kCodes; ++k) {
    book[k] = static_cast<float>(sorted[(2 * k + 1) * sorted.size() / (2 * kCodes)]);
  }
  for (int round = 0; round < 10; ++round) {
    std::array<double, kCodes> sum{};
    std::array<int, kCodes> count{};
    for (const double v : x) {
      const auto k = static_cast<std::size_t>(nearest(book, v));
      sum[k] += v;
      ++count[k];
    }
    for (std::size_t k = 0; k < kCodes; ++k) {
      if (count[k] > 0) book[k] = static_cast<float>(sum[k] / count[k]);
    }
  }
  return book;
}

// 16 f32 codes, then 256 indices, two a byte, even element in the low half.
void encode_cb4(std::span<const double> x, std::byte* out) {
  const Codebook book = fit_codebook(x);
  std::memcpy(out, book.data(), sizeof book);
  std::byte* indices = out + sizeof book;
  for (std::size_t i = 0; i < kCodebookBlock; i += 2) {
    indices[i / 2] = std::byte(nearest(book, x[i]) | nearest(book, x[i + 1]) << 4);
  }
}

double decode_cb4(const std::byte* block, int i) {
  const auto byte = std::to_integer<int>(block[sizeof(Codebook) + static_cast<std::size_t>(i / 2)]);
  float code = 0.0f;
  std::memcpy(&code, block + 4 * (i % 2 == 0 ? byte & 15 : byte >> 4), sizeof code);
  return code;
}

double decode_element(DType dtype, const std::byte* block, int i) {
  switch (dtype) {
    case DType::kQ8_0:
      return read_f16(block) *
             static_cast<std::int8_t>(std::to_integer<std::uint8_t>(block[2 + i]));
    case DType::kQ4_0:
      return read_f16(block) * (nibble(block + 2, i) - 8);
    case DType::kQ4_1:
      return read_f16(block) * nibble(block + 4, i) + read_f16(block + 2);
    case DType::kCB4:
      return decode_cb4(block, i);
    default:
      fail(ErrorCode::kInternal, "dtype {} is not packed", traits(dtype).name);
  }
}

}  // namespace

std::vector<double> decode_packed(DType dtype, const std::byte* bytes, std::int64_t count) {
  const DTypeTraits& t = traits(dtype);
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(count));
  for (std::int64_t block = 0; block < count / t.block_elements; ++block) {
    for (int i = 0; i < t.block_elements; ++i) {
      out.push_back(decode_element(dtype, bytes + block * t.block_bytes, i));
    }
  }
  return out;
}

void encode_packed(DType dtype, std::span<const double> values, std::byte* bytes) {
  const DTypeTraits& t = traits(dtype);
  const auto step = static_cast<std::size_t>(t.block_elements);
  for (std::size_t at = 0; at < values.size(); at += step, bytes += t.block_bytes) {
    const auto block = values.subspan(at, step);
    switch (dtype) {
      case DType::kQ8_0:
        encode_q8_0(block, bytes);
        break;
      case DType::kQ4_0:
        encode_q4_0(block, bytes);
        break;
      case DType::kQ4_1:
        encode_q4_1(block, bytes);
        break;
      case DType::kCB4:
        encode_cb4(block, bytes);
        break;
      default:
        fail(ErrorCode::kInternal, "dtype {} is not packed", t.name);
    }
  }
}

}  // namespace lamina
