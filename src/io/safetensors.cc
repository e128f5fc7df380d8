// safetensors files. Layout: header length N (u64, little endian), N bytes of JSON that map each
// name to {"dtype", "shape", "data_offsets": [begin, end)}, and "__metadata__" to a map of texts,
// then the elements, which the tensors must cover without gaps or overlaps.
#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "base/files.h"
#include "lamina/io.h"

namespace lamina {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference reader

struct SafeType {
  std::string_view name;
  DType dtype;
};

constexpr std::array<SafeType, 9> kSafeTypes{{{"F64", DType::kF64},
                                              {"F32", DType::kF32},
                                              {"BF16", DType::kBF16},
                                              {"F16", DType::kF16},
                                              {"I64", DType::kI64},
                                              {"I32", DType::kI32},
                                              {"I8", DType::kI8},
                                              {"U8", DType::kU8},
                                              {"BOOL", DType::kBool}}};

// One tensor of the header, checked.
struct Entry {
  DType dtype = DType::kF32;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct File {
  std::shared_ptr<MappedFile> mapped;
  Json header;
  std::size_t data_at = 0;
};

// Parses the header, refusing names that occur twice (a parser would keep one of them).
Json parse_header(std::string_view text, const std::string& path) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    require(depth <= 8, "{}: the safetensors header nests too deep", path);
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto name = parsed.get<std::string>();
      require(keys.back().insert(name).second, "{}: the name '{}' occurs twice", path, name);
    }
    return true;
  };
  try {
    Json header = Json::parse(text, watch);
    require(header.is_object(), "{}: the safetensors header is not an object", path);
    return header;
  } catch (const Json::exception& error) {
    fail(ErrorCode::kInvalidArgument, "{}: malformed safetensors header: {}", path, error.what());
  }
}

File open_file(const std::string& path) {
  File file{map_file(path), {}, 0};
  const std::string_view text = file.mapped->text();
  require(text.size() >= 8, "{}: too short for a safetensors file", path);
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) {
    length = length * 256 + static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
  }
  require(length <= kMaxHeaderBytes, "{}: a safetensors header of {} bytes (at most {})", path,
          length, kMaxHeaderBytes);
  require(length <= text.size() - 8, "{}: a safetensors header of {} bytes in a file of {}", path,
          length, text.size());
  file.header = parse_header(text.substr(8, length), path);
  file.data_at = 8 + static_cast<std::size_t>(length);
  return file;
}

std::uint64_t natural(const Json& value, const std::string& where) {
  require(value.is_number_unsigned(), "{}: expected a natural number", where);
  return value.get<std::uint64_t>();
}

DType entry_dtype(const Json& value, const std::string& where) {
  require(value.is_string(), "{}: no dtype", where);
  const auto name = value.get<std::string>();
  for (const SafeType& type : kSafeTypes) {
    if (type.name == name) return type.dtype;
  }
  fail(ErrorCode::kUnsupported, "{}: dtype '{}' is not supported", where, name);
}

// The shape, and its number of bytes checked for overflow.
std::uint64_t read_shape(const Json& value, Entry& entry, const std::string& where) {
  require(value.is_array() && value.size() <= 64, "{}: no shape of at most 64 axes", where);
  auto bytes = static_cast<std::uint64_t>(traits(entry.dtype).block_bytes);
  for (const Json& extent : value) {
    const std::uint64_t n = natural(extent, where);
    require(n == 0 || bytes <= (std::uint64_t{1} << 62U) / n, "{}: the shape is too large", where);
    bytes *= n;
    entry.shape.push_back(static_cast<std::int64_t>(n));
  }
  return bytes;
}

Entry read_entry(const Json& value, std::uint64_t data_bytes, const std::string& where) {
  require(value.is_object() && value.contains("dtype") && value.contains("shape") &&
              value.contains("data_offsets"),
          "{}: expected dtype, shape and data_offsets", where);
  Entry entry;
  entry.dtype = entry_dtype(value["dtype"], where);
  const std::uint64_t bytes = read_shape(value["shape"], entry, where);
  const Json& offsets = value["data_offsets"];
  require(offsets.is_array() && offsets.size() == 2, "{}: data_offsets is not a pair", where);
  entry.begin = natural(offsets[0], where);
  entry.end = natural(offsets[1], where);
  require(entry.begin <= entry.end && entry.end <= data_bytes,
          "{}: offsets [{}, {}) in {} bytes of data", where, entry.begin, entry.end, data_bytes);
  require(entry.end - entry.begin == bytes, "{}: {} bytes for a shape of {} bytes", where,
          entry.end - entry.begin, bytes);
  return entry;
}

void check_cover(const std::map<std::string, Entry>& entries, std::uint64_t data_bytes,
                 const std::string& path) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, entry] : entries) ranges.emplace_back(entry.begin, entry.end);
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t at = 0;
  for (const auto& [begin, end] : ranges) {
    require(begin == at, "{}: tensors {} at byte {} of the data", path,
            begin < at ? "overlap" : "leave a gap", begin < at ? begin : at);
    at = end;
  }
  require(at == data_bytes, "{}: {} bytes follow the last tensor", path, data_bytes - at);
}

// The part of a mapped file that one tensor shows. When the last user of the tensor is gone, so are
// its pages, though the mapping lives on for other tensors.
struct MappedPart {
  std::shared_ptr<MappedFile> file;
  std::byte* data;
  std::size_t bytes;

  MappedPart(std::shared_ptr<MappedFile> file, std::byte* data, std::size_t bytes)
      : file(std::move(file)), data(data), bytes(bytes) {}
  MappedPart(const MappedPart&) = delete;
  MappedPart& operator=(const MappedPart&) = delete;
  ~MappedPart() { release_pages(data, bytes); }
};

Tensor make_tensor(const File& file, const Entry& entry) {
  std::byte* data = file.mapped->data + file.data_at + entry.begin;
  const auto bytes = static_cast<std::size_t>(entry.end - entry.begin);
  const auto width = static_cast<std::uintptr_t>(traits(entry.dtype).block_bytes);
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % width == 0;
  if (aligned && bytes > 0 && entry.dtype != DType::kBool) {
    auto part = std::make_shared<MappedPart>(file.mapped, data, bytes);
    return Tensor(entry.dtype, Layout::dense(entry.shape),
                  Buffer::wrap(data, bytes, std::move(part)));
  }
  Tensor tensor(entry.dtype, entry.shape);
  if (bytes > 0) std::memcpy(tensor.data(), data, bytes);
  if (entry.dtype == DType::kBool) {
    for (std::uint8_t& value : tensor.span<std::uint8_t>()) value = value != 0 ? 1 : 0;
  }
  return tensor;
}

std::string_view safe_name(const std::string& tensor, DType dtype) {
  for (const SafeType& type : kSafeTypes) {
    if (type.dtype == dtype) return type.name;
  }
  fail(ErrorCode::kUnsupported, "tensor '{}': safetensors has no dtype for {}", tensor,
       traits(dtype).name);
}

// The header; `order` receives the tensors in the order of their offsets: wide elements first, so
// that all are aligned.
std::string make_header(const std::map<std::string, Tensor>& tensors, const Metadata& metadata,
                        std::vector<Tensor>& order) {
  std::vector<std::pair<std::string, Tensor>> sorted(tensors.begin(), tensors.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return traits(a.second.dtype()).block_bytes > traits(b.second.dtype()).block_bytes;
  });
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t at = 0;
  for (const auto& [name, tensor] : sorted) {
    require(name != "__metadata__", "a tensor may not be called '__metadata__'");
    const std::uint64_t end = at + tensor.bytes();
    header[name] = {{"dtype", safe_name(name, tensor.dtype())},
                    {"shape", tensor.shape()},
                    {"data_offsets", {at, end}}};
    at = end;
    order.push_back(tensor.dense());
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::strict);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

NamedTensors load_safetensors(const std::string& path) {
  const File file = open_file(path);
  const std::uint64_t data_bytes = file.mapped->bytes - file.data_at;
  std::map<std::string, Entry> entries;
  for (const auto& [name, value] : file.header.items()) {
    if (name == "__metadata__") continue;
    entries[name] = read_entry(value, data_bytes, fmt::format("{}: tensor '{}'", path, name));
  }
  check_cover(entries, data_bytes, path);
  NamedTensors tensors;
  for (const auto& [name, entry] : entries) tensors[name] = make_tensor(file, entry);
  return tensors;
}

Metadata load_safetensors_metadata(const std::string& path) {
  const File file = open_file(path);
  Metadata metadata;
  if (!file.header.contains("__metadata__")) return metadata;
  const Json& texts = file.header["__metadata__"];
  require(texts.is_object(), "{}: __metadata__ is not an object", path);
  for (const auto& [name, value] : texts.items()) {
    require(value.is_string(), "{}: __metadata__ '{}' is not a text", path, name);
    metadata[name] = value.get<std::string>();
  }
  return metadata;
}

void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const Metadata& metadata) {
  std::vector<Tensor> order;
  std::string header;
  try {
    header = make_header(tensors, metadata, order);
  } catch (const Json::exception& error) {
    fail(ErrorCode::kInvalidArgument, "{}: a name or text is not UTF-8: {}", path, error.what());
  }
  std::string length;
  for (unsigned i = 0; i < 8; ++i) {
    length += static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8 * i) & 255U);
  }
  header = length + header;
  write_file_atomically(path, [&](const FileSink& sink) {
    sink(std::as_bytes(std::span<const char>(header.data(), header.size())));
    for (const Tensor& tensor : order) {
      if (tensor.bytes() > 0) sink({tensor.data(), tensor.bytes()});
    }
  });
}

}  // namespace lamina
