// Messages between devices of two stages: the samples that one has and the other needs, cut at the
// micro-batches of both. Those of two devices go in the order of their samples.
#pragma once

#include <vector>

#include "lamina/tensor.h"
#include "pipeline/run/stage_program.h"
#include "pipeline/shares.h"

namespace lamina::pipeline {

// Samples that place `from_place` of the sender has in its micro-batch `from_micro_batch`, and
// place `to_place` of the receiver in its micro-batch `to_micro_batch`.
struct Part {
  int from_micro_batch = 0;
  int from_place = 0;
  int to_micro_batch = 0;
  int to_place = 0;
  Samples samples;
};
// Of what a device of the sender made in a micro-batch.
std::vector<Part> parts_sent(const Stage& sender, const Stage& receiver, int micro_batch,
                             int place);
// Of what a device of the receiver needs for a micro-batch.
std::vector<Part> parts_received(const Stage& sender, const Stage& receiver, int micro_batch,
                                 int place);

// Rows of a dense tensor along one axis.
struct Rows {
  int axis = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
// Of the samples, in the tensor that a device has of its share. Without an axis: all.
Rows rows_of(const EdgeTensor& tensor, const Samples& samples, const Samples& share,
             const Tensor& whole);
// The rows' bytes where they lie one after the other; empty where they do not.
std::span<std::byte> contiguous(Tensor& tensor, const Rows& rows);
std::int64_t bytes_of(const Tensor& tensor, const Rows& rows);
void pack(const Tensor& from, const Rows& rows, std::span<std::byte> to);
void unpack(std::span<const std::byte> from, Tensor& to, const Rows& rows);

}  // namespace lamina::pipeline
