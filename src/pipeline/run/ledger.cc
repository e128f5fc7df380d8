// Buffers whose owner notes their end.
#include "pipeline/run/ledger.h"

#include <algorithm>
#include <utility>

namespace lamina::pipeline {

// Owns a buffer for as long as a tensor lives in it.
struct Ledger::Counted {
  std::shared_ptr<Books> books;
  std::shared_ptr<Buffer> buffer;
  bool reuse = false;

  Counted(std::shared_ptr<Books> of, std::shared_ptr<Buffer> memory, bool again)
      : books(std::move(of)), buffer(std::move(memory)), reuse(again) {
    const std::scoped_lock lock(books->mutex);
    books->change(static_cast<std::int64_t>(buffer->bytes()));
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() {
    const std::scoped_lock lock(books->mutex);
    books->change(-static_cast<std::int64_t>(buffer->bytes()));
    if (reuse) books->spare[buffer->bytes()].push_back(std::move(buffer));
  }
};

void Ledger::Books::change(std::int64_t bytes) {
  held += bytes;
  peak = std::max(peak, held);
}

Ledger::Ledger() : books_(std::make_shared<Books>()) {}

Tensor Ledger::allocate(DType dtype, Shape shape) {
  const auto bytes = static_cast<std::size_t>(element_count(shape) * traits(dtype).block_bytes);
  std::shared_ptr<Buffer> memory;
  {
    const std::scoped_lock lock(books_->mutex);
    auto& spare = books_->spare[bytes];
    if (!spare.empty()) {
      memory = std::move(spare.back());
      spare.pop_back();
    }
  }
  if (memory == nullptr) memory = Buffer::allocate(bytes);
  auto counted = std::make_shared<Counted>(books_, memory, true);
  return {dtype, Layout::dense(std::move(shape)),
          Buffer::wrap(memory->data(), bytes, std::move(counted))};
}

Tensor Ledger::count(const Tensor& tensor) {
  const Tensor dense = tensor.dense();
  auto counted = std::make_shared<Counted>(books_, dense.buffer(), false);
  const auto offset = static_cast<std::size_t>(dense.data() - dense.buffer()->data());
  return {dense.dtype(), dense.layout(),
          Buffer::wrap(dense.buffer()->data(), dense.buffer()->bytes(), std::move(counted)),
          offset};
}

void Ledger::add(std::int64_t bytes) {
  const std::scoped_lock lock(books_->mutex);
  books_->change(bytes);
}

void Ledger::count_arena() {
  const auto bytes =
      arena_->buffer == nullptr ? 0 : static_cast<std::int64_t>(arena_->buffer->bytes());
  add(bytes - std::exchange(arena_bytes_, bytes));
}

std::int64_t Ledger::held() const {
  const std::scoped_lock lock(books_->mutex);
  return books_->held;
}

std::int64_t Ledger::peak() const {
  const std::scoped_lock lock(books_->mutex);
  return books_->peak;
}

}  // namespace lamina::pipeline
