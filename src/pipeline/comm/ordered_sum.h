// Sums over ranks in a fixed order, so that a run can be repeated bit for bit: MPI_Allreduce adds
// in an order that depends on the number of ranks and the length (10 % of the elements of a sum
// over four ranks come out differently).
#pragma once

#include <span>
#include <vector>

#include "lamina/tensor.h"
#include "pipeline/comm/transport.h"

namespace lamina::pipeline {

// Ranks that hold the same tensors, in the order in which they are added; `place` is this one's.
struct Group {
  std::vector<int> ranks;
  int place = 0;

  int size() const { return static_cast<int>(ranks.size()); }
};

// The elements [begin, end) of `count` that place number `place` of the group owns.
struct Elements {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t size() const { return end - begin; }
};
Elements owned(const Group& group, int place, std::int64_t count);

// Dense f32 tensors, of the same shapes on all ranks of the group. Afterwards each rank has the
// sums, in the order of places, of the elements that it owns; the other elements stay. Uses `tag`.
void sum_owned(Transport& transport, const Group& group, int tag, std::span<Tensor> tensors);
// Every rank gets the elements of the others from those who own them. Uses `tag`.
void gather_owned(Transport& transport, const Group& group, int tag, std::span<Tensor> tensors);

// The sums over all ranks, in their order, at all ranks. Uses `tag`.
void sum_numbers(Transport& transport, int tag, std::span<double> numbers);

}  // namespace lamina::pipeline
