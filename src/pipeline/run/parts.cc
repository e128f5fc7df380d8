// Cutting tensors at samples.
#include "pipeline/run/parts.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace lamina::pipeline {
namespace {

Samples common(const Samples& a, const Samples& b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

// Calls visit(micro_batch, place, samples) for what devices of the stage have of the samples, in
// the order of the samples.
template <class Visit>
void each_share(const Stage& stage, const Samples& samples, Visit visit) {
  const MicroBatches some = micro_batches_with(stage, samples);
  for (int m = some.begin; m < some.end; ++m) {
    for (int p = 0; p < static_cast<int>(stage.devices.size()); ++p) {
      const Samples both = common(share(stage, m, p), samples);
      if (both.begin < both.end) visit(m, p, both);
    }
  }
}

// A dense tensor as `outer` blocks of `length` bytes, of which a piece at `offset` is meant.
struct Blocks {
  std::int64_t outer = 1;
  std::int64_t length = 0;
  std::int64_t offset = 0;
  std::int64_t piece = 0;
};

Blocks blocks_of(const Tensor& tensor, const Rows& rows) {
  const Shape& shape = tensor.shape();
  const auto axis = static_cast<std::size_t>(rows.axis);
  std::int64_t row = traits(tensor.dtype()).block_bytes;
  Blocks blocks;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i < axis) blocks.outer *= shape[i];
    if (i > axis) row *= shape[i];
  }
  const std::int64_t extent = shape.empty() ? 1 : shape[axis];
  check(rows.begin >= 0 && rows.end <= extent, "rows {} to {} of {}", rows.begin, rows.end, extent);
  blocks.length = extent * row;
  blocks.offset = rows.begin * row;
  blocks.piece = (rows.end - rows.begin) * row;
  return blocks;
}

}  // namespace

std::vector<Part> parts_sent(const Stage& sender, const Stage& receiver, int micro_batch,
                             int place) {
  std::vector<Part> parts;
  each_share(receiver, share(sender, micro_batch, place), [&](int m, int p, const Samples& both) {
    parts.push_back({micro_batch, place, m, p, both});
  });
  return parts;
}

std::vector<Part> parts_received(const Stage& sender, const Stage& receiver, int micro_batch,
                                 int place) {
  std::vector<Part> parts;
  each_share(sender, share(receiver, micro_batch, place), [&](int m, int p, const Samples& both) {
    parts.push_back({m, p, micro_batch, place, both});
  });
  return parts;
}

Rows rows_of(const EdgeTensor& tensor, const Samples& samples, const Samples& share,
             const Tensor& whole) {
  if (tensor.axis < 0) return {0, 0, whole.shape().empty() ? 1 : whole.shape()[0]};
  return {tensor.axis, tensor.rows * (samples.begin - share.begin),
          tensor.rows * (samples.end - share.begin)};
}

std::int64_t bytes_of(const Tensor& tensor, const Rows& rows) {
  const Blocks blocks = blocks_of(tensor, rows);
  return blocks.outer * blocks.piece;
}

std::span<std::byte> contiguous(Tensor& tensor, const Rows& rows) {
  const Blocks blocks = blocks_of(tensor, rows);
  if (blocks.outer != 1 && blocks.piece != blocks.length) return {};
  return {tensor.data() + blocks.offset, static_cast<std::size_t>(blocks.outer * blocks.piece)};
}

void pack(const Tensor& from, const Rows& rows, std::span<std::byte> to) {
  const Blocks blocks = blocks_of(from, rows);
  for (std::int64_t b = 0; b < blocks.outer; ++b) {
    std::memcpy(to.data() + b * blocks.piece, from.data() + b * blocks.length + blocks.offset,
                static_cast<std::size_t>(blocks.piece));
  }
}

void unpack(std::span<const std::byte> from, Tensor& to, const Rows& rows) {
  const Blocks blocks = blocks_of(to, rows);
  for (std::int64_t b = 0; b < blocks.outer; ++b) {
    std::memcpy(to.data() + b * blocks.length + blocks.offset, from.data() + b * blocks.piece,
                static_cast<std::size_t>(blocks.piece));
  }
}

}  // namespace lamina::pipeline
