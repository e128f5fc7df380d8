// The order in which samples are visited: Fisher-Yates shuffles, one an epoch.
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/rng.h"
#include "lamina/train.h"

namespace lamina::train {

SampleOrder::SampleOrder(std::uint64_t seed, std::int64_t size) : seed_(seed), size_(size) {
  require(size > 0, "an order of {} samples", size);
}

std::int64_t SampleOrder::at(std::int64_t position) {
  require(position >= 0, "position {} in the order of samples", position);
  const std::int64_t epoch = position / size_;
  if (epoch != epoch_) {
    Rng rng = Rng(seed_).split(static_cast<std::uint64_t>(epoch));
    permutation_.resize(static_cast<std::size_t>(size_));
    std::iota(permutation_.begin(), permutation_.end(), 0);
    for (std::int64_t i = size_ - 1; i > 0; --i) {
      std::swap(permutation_[static_cast<std::size_t>(i)],
                permutation_[static_cast<std::size_t>(rng.integer(0, i))]);
    }
    epoch_ = epoch;
  }
  return permutation_[static_cast<std::size_t>(position % size_)];
}

std::vector<std::int64_t> SampleOrder::range(std::int64_t position, std::int64_t count) {
  std::vector<std::int64_t> samples;
  samples.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) samples.push_back(at(position + i));
  return samples;
}

}  // namespace lamina::train
