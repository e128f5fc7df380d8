// NumPy .npy files. Layout: magic "\x93NUMPY", major, minor, header length (2 bytes in version 1, 4
// later; little endian), then the header: a Python dict literal with the keys 'descr' (a text),
// 'fortran_order' (True or False) and 'shape' (a tuple of integers), then the elements.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>

#include "base/check.h"
#include "base/files.h"
#include "lamina/io.h"

namespace lamina {
namespace {

struct NpyHeader {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

// Reads the dict literal of the header: three keys, each exactly once, in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  NpyHeader parse() {
    NpyHeader header;
    int seen = 0;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      seen |= field(key, header);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    require(seen == 7, "{}: the npy header lacks descr, fortran_order or shape", path_);
    return header;
  }

 private:
  int field(const std::string& key, NpyHeader& header) {
    if (key == "descr") {
      header.descr = quoted();
      return 1;
    }
    if (key == "fortran_order") {
      header.fortran_order = boolean();
      return 2;
    }
    require(key == "shape", "{}: unknown key '{}' in the npy header", path_, key);
    header.shape = tuple();
    return 4;
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    require(accept(c), "{}: the npy header has no '{}' at byte {}", path_, c, at_);
  }

  std::string quoted() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const std::size_t end = text_.find(quote, at_);
    require(end != std::string_view::npos, "{}: a text in the npy header does not end", path_);
    std::string word(text_.substr(at_, end - at_));
    at_ = end + 1;
    return word;
  }

  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return word == "True";
    }
    fail(ErrorCode::kInvalidArgument, "{}: fortran_order is neither True nor False", path_);
  }

  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t value = 0;
      const char* end = text_.data() + text_.size();
      const auto [next, error] = std::from_chars(text_.data() + at_, end, value);
      require(error == std::errc() && value >= 0, "{}: malformed shape in the npy header", path_);
      at_ = static_cast<std::size_t>(next - text_.data());
      accept('L');  // Python 2 wrote long integers so.
      shape.push_back(value);
      require(shape.size() <= 64, "{}: more than 64 axes", path_);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  std::string_view text_;
  const std::string& path_;
  std::size_t at_ = 0;
};

struct NpyType {
  std::string_view code;
  DType dtype;
};

constexpr std::array<NpyType, 9> kNpyTypes{{{"f8", DType::kF64},
                                            {"f4", DType::kF32},
                                            {"f2", DType::kF16},
                                            {"i8", DType::kI64},
                                            {"i4", DType::kI32},
                                            {"i1", DType::kI8},
                                            {"u1", DType::kU8},
                                            {"b1", DType::kBool},
                                            {"V2", DType::kBF16}}};

DType element_type(const std::string& descr, bool u2_is_bf16, const std::string& path) {
  const std::string_view code = std::string_view(descr).substr(descr.empty() ? 0 : 1);
  for (const NpyType& type : kNpyTypes) {
    if (code == type.code) return type.dtype;
  }
  if (code == "u2" && u2_is_bf16) return DType::kBF16;
  fail(ErrorCode::kUnsupported, "{}: element type '{}' is not among f8 f4 f2 i8 i4 i1 u1 b1 V2{}",
       path, descr, code == "u2" ? " (u2 may hold bf16: say so when it does)" : "");
}

// The number of elements, checked against the bytes that follow the header.
std::size_t checked_count(const Shape& shape, std::size_t bytes, std::size_t element_bytes,
                          const std::string& path) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) {
    const auto n = static_cast<std::size_t>(extent);
    require(n == 0 || count <= SIZE_MAX / 16 / n, "{}: the shape {} is too large", path,
            to_string(shape));
    count *= n;
  }
  require(count <= bytes / element_bytes, "{}: {} elements of {} bytes in {} bytes of data", path,
          count, element_bytes, bytes);
  return count;
}

void swap_bytes(Tensor& tensor) {
  const auto width = static_cast<std::size_t>(traits(tensor.dtype()).block_bytes);
  for (std::size_t at = 0; at + width <= tensor.bytes(); at += width) {
    std::reverse(tensor.data() + at, tensor.data() + at + width);
  }
}

// Bools must be 0 or 1 everywhere in Lamina; NumPy lets any byte through.
void normalise_bools(Tensor& tensor) {
  if (tensor.dtype() != DType::kBool) return;
  for (std::uint8_t& value : tensor.span<std::uint8_t>()) value = value != 0 ? 1 : 0;
}

// A dense tensor out of elements in column-major order.
Tensor from_fortran(const Tensor& elements, const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    strides[i] = step;
    step *= shape[i];
  }
  return Tensor(elements.dtype(), {shape, strides}, elements.buffer()).clone();
}

struct Prefix {
  std::string_view header;
  std::size_t data_at;
};

Prefix split_header(std::string_view file, const std::string& path) {
  require(file.size() >= 10 && file.substr(0, 6) == "\x93NUMPY", "{}: not an npy file", path);
  const int major = file[6];
  require(major >= 1 && major <= 3, "{}: npy format version {} is not 1, 2 or 3", path, major);
  const std::size_t width = major == 1 ? 2 : 4;
  require(file.size() >= 8 + width, "{}: truncated npy header", path);
  std::size_t length = 0;
  for (std::size_t i = width; i-- > 0;) {
    length = length * 256 + static_cast<unsigned char>(file[8 + i]);
  }
  const std::size_t start = 8 + width;
  require(length <= file.size() - start, "{}: a header of {} bytes in a file of {}", path, length,
          file.size());
  return {file.substr(start, length), start + length};
}

// The header text for a tensor, padded so that the elements start at a multiple of 64 bytes.
std::string npy_header(const Tensor& tensor) {
  std::string_view code;
  for (const NpyType& type : kNpyTypes) {
    if (type.dtype == tensor.dtype()) code = type.code;
  }
  std::string shape;
  for (const std::int64_t extent : tensor.shape()) shape += fmt::format("{}, ", extent);
  if (tensor.shape().size() > 1) shape.resize(shape.size() - 2);
  if (tensor.shape().size() == 1) shape.resize(shape.size() - 1);
  const bool bytes = traits(tensor.dtype()).block_bytes == 1;
  std::string text = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}",
                                 bytes ? '|' : '<', code, shape);
  const std::size_t total = (10 + text.size() + 1 + 63) / 64 * 64;
  text.resize(total - 10 - 1, ' ');
  text += '\n';
  const auto length = static_cast<unsigned>(text.size());
  std::string head = "\x93NUMPY";
  head += {1, 0, static_cast<char>(length & 255U), static_cast<char>(length >> 8U)};
  return head + text;
}

}  // namespace

Tensor load_npy(const std::string& path, bool u2_is_bf16) {
  const std::shared_ptr<MappedFile> file = map_file(path);
  const Prefix prefix = split_header(file->text(), path);
  const NpyHeader header = HeaderParser(prefix.header, path).parse();
  const DType dtype = element_type(header.descr, u2_is_bf16, path);
  const auto width = static_cast<std::size_t>(traits(dtype).block_bytes);
  const std::size_t count = checked_count(header.shape, file->bytes - prefix.data_at, width, path);
  Tensor tensor(dtype, header.shape);
  if (count > 0) std::memcpy(tensor.data(), file->data + prefix.data_at, count * width);
  if (header.descr[0] == '>') swap_bytes(tensor);
  normalise_bools(tensor);
  return header.fortran_order ? from_fortran(tensor, header.shape) : tensor;
}

void save_npy(const std::string& path, const Tensor& tensor) {
  const Tensor plain = is_packed(tensor.dtype()) ? tensor.cast(DType::kF32) : tensor.dense();
  const std::string header = npy_header(plain);
  write_file_atomically(path, [&](const FileSink& sink) {
    sink(std::as_bytes(std::span<const char>(header.data(), header.size())));
    if (plain.bytes() > 0) sink({plain.data(), plain.bytes()});
  });
}

}  // namespace lamina
