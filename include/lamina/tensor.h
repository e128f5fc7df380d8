// Element types, strided layouts and tensors: the data that graphs compute on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

// How one element is stored. The block-quantised and codebook types store several elements
// together; DTypeTraits says how many and in how many bytes (docs/formats.md gives the bytes).
enum class DType : std::uint8_t {
  kF64,
  kF32,
  kBF16,
  kF16,
  kI64,
  kI32,
  kI8,
  kU8,
  kBool,
  kQ8_0,  // blocks of 32: f16 scale, 32 x i8
  kQ4_0,  // blocks of 32: f16 scale, 32 x 4 bit, offset 8
  kQ4_1,  // blocks of 32: f16 scale, f16 minimum, 32 x 4 bit
  kCB4,   // blocks of 256: 16 x f32 codebook, 256 x 4 bit indices
};

// What every user of a dtype must know about it.
struct DTypeTraits {
  DType dtype;
  std::string_view name;  // as in the text form: "f32", "bf16", ...
  int block_elements;     // 1 for plain types
  int block_bytes;        // bytes per block (per element for plain types)
  bool is_float;          // holds reals (block-quantised and codebook types do too)
  bool is_integer;        // i64 i32 i8 u8; bool is neither
};

const DTypeTraits& traits(DType dtype);
std::span<const DTypeTraits> all_dtypes();
// The dtype called `name`; throws kInvalidArgument that lists the names when there is none.
DType parse_dtype(std::string_view name);
// True for the types that pack several elements into one block.
bool is_packed(DType dtype);

// The dtype in which a binary operator computes on `a` and `b` (docs/numerics.md, "promotion"):
// the wider of two floats (bf16 with f16 gives f32), a float beats an integer, the wider of two
// integers (u8 with i8 gives i32), and bool yields to everything.
DType promote(DType a, DType b);

using Shape = std::vector<std::int64_t>;

std::int64_t element_count(std::span<const std::int64_t> shape);
// Row-major strides, in elements.
std::vector<std::int64_t> dense_strides(std::span<const std::int64_t> shape);
std::string to_string(std::span<const std::int64_t> shape);  // "[2, 3]"

// Shape and strides, in elements. A layout is dense when it is row-major without gaps.
struct Layout {
  Shape shape;
  std::vector<std::int64_t> strides;

  static Layout dense(Shape shape);
  bool is_dense() const;
  bool operator==(const Layout&) const = default;
};

// Bytes that tensors share. Owns its memory (64-byte aligned) or keeps its owner alive.
class Buffer {
 public:
  static std::shared_ptr<Buffer> allocate(std::size_t bytes);  // zeroed
  // Borrows `data` for as long as `owner` lives (a mapped file, an array of the caller).
  static std::shared_ptr<Buffer> wrap(std::byte* data, std::size_t bytes,
                                      std::shared_ptr<void> owner);

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::shared_ptr<void> owner_;
};

// A typed, strided view of a shared buffer. Copies are cheap and share elements; clone() copies
// them. Not synchronised: concurrent writers must arrange order themselves.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);  // dense, zeroed
  Tensor(DType dtype, Layout layout, std::shared_ptr<Buffer> buffer, std::size_t byte_offset = 0);

  template <class T>
  static Tensor from(DType dtype, Shape shape, std::span<const T> values);
  // A dense tensor whose elements are converted from doubles (rounded to nearest even; integers
  // wrap).
  static Tensor from_doubles(DType dtype, Shape shape, std::span<const double> values);
  static Tensor from_integers(DType dtype, Shape shape, std::span<const std::int64_t> values);

  bool empty() const { return buffer_ == nullptr; }  // true: no storage at all (not "0 elements")
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return layout_.shape; }
  const Layout& layout() const { return layout_; }
  std::int64_t size() const { return element_count(layout_.shape); }
  std::size_t bytes() const;  // of the dense form

  std::byte* data() { return buffer_->data() + byte_offset_; }
  const std::byte* data() const { return buffer_->data() + byte_offset_; }
  // The elements of a dense tensor. T must have the size of an element.
  template <class T>
  std::span<T> span() {
    return {reinterpret_cast<T*>(checked_data(sizeof(T))), static_cast<std::size_t>(size())};
  }
  template <class T>
  std::span<const T> span() const {
    return {reinterpret_cast<const T*>(checked_data(sizeof(T))), static_cast<std::size_t>(size())};
  }

  // All elements, row-major, as doubles (exact for every float type; packed types are decoded)
  // or as 64-bit integers (floats truncate toward zero).
  std::vector<double> to_doubles() const;
  std::vector<std::int64_t> to_integers() const;

  Tensor clone() const;                // dense copy
  Tensor dense() const;                // *this when dense, else a copy
  Tensor cast(DType dtype) const;      // dense, converted
  Tensor reshaped(Shape shape) const;  // dense only; shares elements
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }

 private:
  std::byte* checked_data(std::size_t element_bytes) const;

  DType dtype_ = DType::kF32;
  Layout layout_;
  std::shared_ptr<Buffer> buffer_;
  std::size_t byte_offset_ = 0;
};

template <class T>
Tensor Tensor::from(DType dtype, Shape shape, std::span<const T> values) {
  Tensor out(dtype, std::move(shape));
  auto to = out.span<T>();
  for (std::size_t i = 0; i < to.size() && i < values.size(); ++i) to[i] = values[i];
  return out;
}

}  // namespace lamina
