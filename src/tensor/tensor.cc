// Layouts, buffers, tensors and conversions between element types.
#include "lamina/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "num/half.h"
#include "tensor/packed.h"

namespace lamina {

// Loops over elements ask this again and again, so the messages are only made when they are needed.
std::int64_t element_count(std::span<const std::int64_t> shape) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0) fail(kBad, "shape {}: a dimension is negative", to_string(shape));
    if (__builtin_mul_overflow(count, dim, &count)) {
      fail(kBad, "shape {}: too many elements", to_string(shape));
    }
  }
  return count;
}

std::vector<std::int64_t> dense_strides(std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::string to_string(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "]";
}

Layout Layout::dense(Shape shape) {
  auto strides = dense_strides(shape);
  return {std::move(shape), std::move(strides)};
}

bool Layout::is_dense() const {
  std::int64_t expected = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

std::shared_ptr<Buffer> Buffer::allocate(std::size_t bytes) {
  constexpr std::size_t kAlignment = 64;
  const std::size_t rounded = (bytes + kAlignment) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory == nullptr) fail(ErrorCode::kExhausted, "cannot allocate {} bytes", bytes);
  std::memset(memory, 0, rounded);
  return wrap(static_cast<std::byte*>(memory), bytes, std::shared_ptr<void>(memory, std::free));
}

std::shared_ptr<Buffer> Buffer::wrap(std::byte* data, std::size_t bytes,
                                     std::shared_ptr<void> owner) {
  auto buffer = std::make_shared<Buffer>();
  buffer->data_ = data;
  buffer->bytes_ = bytes;
  buffer->owner_ = std::move(owner);
  return buffer;
}

namespace {

std::size_t dense_bytes(DType dtype, std::span<const std::int64_t> shape) {
  const DTypeTraits& t = traits(dtype);
  const std::int64_t count = element_count(shape);
  if (is_packed(dtype) && count > 0) {
    require(shape.back() % t.block_elements == 0,
            "{} tensor {}: the last dimension must be a multiple of {}", t.name, to_string(shape),
            t.block_elements);
  }
  return static_cast<std::size_t>(count / t.block_elements * t.block_bytes);
}

// Calls use(linear, offset) for every element, row-major; offset in elements.
template <class Use>
void for_each_offset(const Layout& layout, Use use) {
  const std::int64_t count = element_count(layout.shape);
  std::vector<std::int64_t> index(layout.shape.size(), 0);
  std::int64_t offset = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    use(i, offset);
    for (std::size_t axis = index.size(); axis-- > 0;) {
      offset += layout.strides[axis];
      if (++index[axis] < layout.shape[axis]) break;
      offset -= layout.strides[axis] * layout.shape[axis];
      index[axis] = 0;
    }
  }
}

// Calls use(T{}) with the C++ type that stores one element of a plain dtype.
template <class Use>
auto with_element(DType dtype, Use use) {
  switch (dtype) {
    case DType::kF64:
      return use(double{});
    case DType::kF32:
      return use(float{});
    case DType::kBF16:
      return use(bf16{});
    case DType::kF16:
      return use(f16{});
    case DType::kI64:
      return use(std::int64_t{});
    case DType::kI32:
      return use(std::int32_t{});
    case DType::kI8:
      return use(std::int8_t{});
    case DType::kU8:
      return use(std::uint8_t{});
    case DType::kBool:
      return use(bool{});
    default:
      fail(ErrorCode::kInternal, "dtype {} has no plain element", traits(dtype).name);
  }
}

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return static_cast<double>(value) != 0.0;
  } else if constexpr (std::is_integral_v<To> && !std::is_integral_v<From>) {
    return static_cast<To>(truncate_to_int64(static_cast<double>(value)));
  } else if constexpr (std::is_integral_v<From> &&
                       (std::is_same_v<To, bf16> || std::is_same_v<To, f16>)) {
    return To(static_cast<double>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <class To>
std::vector<To> read_all(const Tensor& tensor) {
  std::vector<To> out(static_cast<std::size_t>(tensor.size()));
  with_element(tensor.dtype(), [&](auto example) {
    using From = decltype(example);
    const auto* data = reinterpret_cast<const From*>(tensor.data());
    for_each_offset(tensor.layout(), [&](std::int64_t i, std::int64_t offset) {
      out[static_cast<std::size_t>(i)] = convert<To>(data[offset]);
    });
  });
  return out;
}

template <class From>
Tensor write_all(DType dtype, Shape shape, std::span<const From> values) {
  Tensor out(dtype, std::move(shape));
  require(static_cast<std::int64_t>(values.size()) == out.size(), "{} values for a tensor {}",
          values.size(), to_string(out.shape()));
  with_element(dtype, [&](auto example) {
    using To = decltype(example);
    auto* data = reinterpret_cast<To*>(out.data());
    for (std::size_t i = 0; i < values.size(); ++i) data[i] = convert<To>(values[i]);
  });
  return out;
}

}  // namespace

std::int64_t truncate_to_int64(double value) {
  if (!(std::fabs(value) < 9.2233720368547758e18)) {
    return std::isnan(value) ? 0 : value > 0 ? INT64_MAX : INT64_MIN;
  }
  return static_cast<std::int64_t>(value);
}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype),
      layout_(Layout::dense(std::move(shape))),
      buffer_(Buffer::allocate(dense_bytes(dtype, layout_.shape))) {}

Tensor::Tensor(DType dtype, Layout layout, std::shared_ptr<Buffer> buffer, std::size_t byte_offset)
    : dtype_(dtype),
      layout_(std::move(layout)),
      buffer_(std::move(buffer)),
      byte_offset_(byte_offset) {
  require(layout_.shape.size() == layout_.strides.size(), "a layout has {} dims but {} strides",
          layout_.shape.size(), layout_.strides.size());
  std::int64_t last = 0;
  for (std::size_t i = 0; i < layout_.shape.size(); ++i) {
    require(layout_.strides[i] >= 0, "a layout has a negative stride");
    last += layout_.strides[i] * std::max<std::int64_t>(0, layout_.shape[i] - 1);
  }
  const bool packed = is_packed(dtype);
  require(!packed || layout_.is_dense(), "{} tensors are dense", traits(dtype).name);
  const std::size_t needed = size() == 0 ? 0
                             : packed
                                 ? dense_bytes(dtype, layout_.shape)
                                 : static_cast<std::size_t>((last + 1) * traits(dtype).block_bytes);
  require(byte_offset_ <= buffer_->bytes() && needed <= buffer_->bytes() - byte_offset_,
          "a {} tensor {} needs {} bytes at offset {} of a buffer of {}", traits(dtype).name,
          to_string(layout_.shape), needed, byte_offset_, buffer_->bytes());
}

std::size_t Tensor::bytes() const { return dense_bytes(dtype_, layout_.shape); }

std::byte* Tensor::checked_data(std::size_t element_bytes) const {
  check(!empty() && layout_.is_dense(), "span() of a tensor that is empty or not dense");
  check(static_cast<int>(element_bytes) == traits(dtype_).block_bytes,
        "span() with elements of {} bytes on a {} tensor", element_bytes, traits(dtype_).name);
  return buffer_->data() + byte_offset_;
}

std::vector<double> Tensor::to_doubles() const {
  if (is_packed(dtype_)) return decode_packed(dtype_, data(), size());
  return read_all<double>(*this);
}

std::vector<std::int64_t> Tensor::to_integers() const {
  require(!is_packed(dtype_), "a {} tensor has no integer form", traits(dtype_).name);
  return read_all<std::int64_t>(*this);
}

Tensor Tensor::from_doubles(DType dtype, Shape shape, std::span<const double> values) {
  if (!is_packed(dtype)) return write_all(dtype, std::move(shape), values);
  Tensor out(dtype, std::move(shape));
  require(static_cast<std::int64_t>(values.size()) == out.size(), "{} values for a tensor {}",
          values.size(), to_string(out.shape()));
  encode_packed(dtype, values, out.data());
  return out;
}

Tensor Tensor::from_integers(DType dtype, Shape shape, std::span<const std::int64_t> values) {
  return write_all(dtype, std::move(shape), values);
}

Tensor Tensor::clone() const {
  Tensor out(dtype_, layout_.shape);
  if (layout_.is_dense()) {
    std::memcpy(out.data(), data(), bytes());
    return out;
  }
  const auto width = static_cast<std::size_t>(traits(dtype_).block_bytes);
  for_each_offset(layout_, [&](std::int64_t i, std::int64_t offset) {
    std::memcpy(out.data() + static_cast<std::size_t>(i) * width,
                data() + static_cast<std::size_t>(offset) * width, width);
  });
  return out;
}

Tensor Tensor::dense() const { return layout_.is_dense() ? *this : clone(); }

Tensor Tensor::cast(DType dtype) const {
  if (dtype == dtype_) return dense();
  const bool integers = !traits(dtype_).is_float && !is_packed(dtype);
  return integers ? from_integers(dtype, shape(), to_integers())
                  : from_doubles(dtype, shape(), to_doubles());
}

Tensor Tensor::reshaped(Shape shape) const {
  require(element_count(shape) == size(), "cannot reshape {} to {}", to_string(layout_.shape),
          to_string(shape));
  return Tensor(dtype_, Layout::dense(std::move(shape)), dense().buffer(),
                layout_.is_dense() ? byte_offset_ : 0);
}

}  // namespace lamina
