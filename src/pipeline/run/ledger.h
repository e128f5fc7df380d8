// Exact accounts of the bytes that the tensors of one rank hold.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "lamina/device.h"

namespace lamina::pipeline {

// Tensors from here are counted until nobody holds them; then their memory is kept for tensors of
// the same length, so that an iteration takes none from the system. They may outlive the ledger.
class Ledger {
 public:
  Ledger();

  Tensor allocate(DType dtype, Shape shape);  // elements are whatever they are
  Tensor count(const Tensor& tensor);         // one from elsewhere: the same elements, counted
  void add(std::int64_t bytes);               // of what is no tensor
  // For the programs of the rank, which never run at the same time; counted as it grows.
  const std::shared_ptr<Arena>& arena() const { return arena_; }
  void count_arena();

  std::int64_t held() const;
  std::int64_t peak() const;

 private:
  struct Books {
    std::mutex mutex;
    std::int64_t held = 0;
    std::int64_t peak = 0;
    std::map<std::size_t, std::vector<std::shared_ptr<Buffer>>> spare;  // by length

    void change(std::int64_t bytes);
  };
  struct Counted;

  std::shared_ptr<Books> books_;
  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
  std::int64_t arena_bytes_ = 0;  // as counted
};

}  // namespace lamina::pipeline
