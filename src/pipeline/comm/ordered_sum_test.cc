// Sums over ranks, in their order.
#include "pipeline/comm/ordered_sum.h"

#include <doctest/doctest.h>

#include <cstring>
#include <mutex>

#include "base/rng.h"
#include "pipeline/comm/tensors.h"
#include "pipeline/comm/threads.h"

using namespace lamina;
using namespace lamina::pipeline;

TEST_CASE("sums come in the order of the group, whoever is first") {
  constexpr int kRanks = 5;
  const auto tensor_of = [](int rank, std::int64_t size) {
    Rng rng = Rng(6).split(static_cast<std::uint64_t>(rank) * 100 + size);
    std::vector<double> values;
    for (int i = 0; i < size; ++i) values.push_back(rng.normal() * 1e3);
    return Tensor::from_doubles(DType::kF32, {size}, values);
  };
  const std::vector<int> order = {3, 0, 4, 1};  // rank 2 is not of the group
  std::mutex mutex;
  run_thread_ranks(kRanks, {.delay_ms = 0.5, .seed = 3}, [&](Transport& transport) {
    const int rank = transport.rank();
    std::vector<double> numbers = {1.0 / (rank + 1), rank == 2 ? 5.0 : 0.0};
    sum_numbers(transport, 1, numbers);
    const auto found = std::find(order.begin(), order.end(), rank);
    std::vector<Tensor> tensors = {tensor_of(rank, 37), tensor_of(rank, 2), tensor_of(rank, 0)};
    if (found != order.end()) {
      const Group group{order, static_cast<int>(found - order.begin())};
      sum_owned(transport, group, 0, tensors);
      gather_owned(transport, group, 0, tensors);
    }
    const std::scoped_lock lock(mutex);
    CHECK(numbers[0] == (((1.0 + 1.0 / 2) + 1.0 / 3) + 1.0 / 4) + 1.0 / 5);
    CHECK(numbers[1] == 5.0);
    if (found == order.end()) return;
    for (const Tensor& tensor : tensors) {
      for (std::int64_t i = 0; i < tensor.size(); ++i) {
        float sum = tensor_of(order[0], tensor.size()).span<float>()[i];
        for (std::size_t p = 1; p < order.size(); ++p) {
          sum += tensor_of(order[p], tensor.size()).span<float>()[i];
        }
        CHECK(tensor.span<float>()[i] == sum);
      }
    }
  });
}

TEST_CASE("tensors by name") {
  run_thread_ranks(2, {}, [](Transport& transport) {
    const NamedTensors sent = {
        {"a", Tensor::from_integers(DType::kI64, {}, std::vector<std::int64_t>{7})},
        {"b/c", Tensor::from_doubles(DType::kF32, {2, 1}, std::vector<double>{1, 2})},
        {"none", Tensor(DType::kF32, {0})}};
    if (transport.rank() == 1) {
      send_tensors(transport, 0, 4, sent);
      return;
    }
    const NamedTensors got = receive_tensors(transport, 1, 4);
    CHECK(got.size() == 3);
    CHECK(got.at("a").to_integers() == std::vector<std::int64_t>{7});
    CHECK(got.at("b/c").shape() == Shape{2, 1});
    CHECK(got.at("b/c").to_doubles() == std::vector<double>{1, 2});
  });
}
