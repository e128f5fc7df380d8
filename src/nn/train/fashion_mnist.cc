// Fashion-MNIST (arXiv:1708.07747) as distributed: four IDX files, compressed with gzip. An IDX
// file is a big-endian magic number (0x0801: bytes with one axis, 0x0803: with three), an extent
// for each axis, and the bytes.
#include <zlib.h>

#include <array>

#include "base/check.h"
#include "nn/train/images.h"

namespace lamina::train {
namespace {

constexpr std::string_view kName = "fashion-mnist";
constexpr std::int64_t kClasses = 10;
constexpr std::int64_t kMostBytes = 1 << 30;  // of one file, uncompressed
constexpr std::int64_t kPiece = 1 << 20;

class GzipFile {
 public:
  explicit GzipFile(const std::string& path) : path_(path), file_(::gzopen(path.c_str(), "rb")) {
    if (file_ == nullptr) fail(ErrorCode::kNotFound, "cannot open '{}'", path);
  }
  ~GzipFile() { ::gzclose(file_); }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  // Exactly so many bytes, of which there are `before` in front.
  void read(std::span<std::uint8_t> bytes, std::int64_t before = 0) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const auto want = static_cast<unsigned>(bytes.size() - done);
      const int got = ::gzread(file_, bytes.data() + done, want);
      require(got >= 0, "{}: damaged gzip data", path_);
      require(got > 0, "{}: ends after {} bytes; expected more", path_,
              before + static_cast<std::int64_t>(done));
      done += static_cast<std::size_t>(got);
    }
  }

  std::uint32_t read_number() {
    std::array<std::uint8_t, 4> bytes{};
    read(bytes);
    std::uint32_t number = 0;
    for (const std::uint8_t byte : bytes) number = number << 8U | byte;
    return number;
  }

  // Reads on behind the last byte, which is where gzip's checksum is compared.
  void require_end() {
    std::uint8_t byte = 0;
    const int got = ::gzread(file_, &byte, 1);
    require(got >= 0, "{}: damaged gzip data", path_);
    require(got == 0, "{}: more bytes than its header says", path_);
  }

 private:
  std::string path_;
  gzFile file_;
};

struct Idx {
  std::vector<std::int64_t> extents;
  std::vector<std::uint8_t> bytes;
};

Idx read_idx(const std::string& path, std::uint32_t axes) {
  GzipFile file(path);
  const std::uint32_t magic = file.read_number();
  require(magic == (0x0800U | axes), "{}: magic number {:#x}; expected {:#x}", path, magic,
          0x0800U | axes);
  Idx idx;
  std::int64_t total = 1;
  for (std::uint32_t a = 0; a < axes; ++a) {
    const std::int64_t extent = file.read_number();
    require(extent > 0 && extent <= kMostBytes / total, "{}: an extent of {}", path, extent);
    total *= extent;
    idx.extents.push_back(extent);
  }
  // Piece by piece: a header may promise more than there is.
  while (std::ssize(idx.bytes) < total) {
    const std::int64_t done = std::ssize(idx.bytes);
    idx.bytes.resize(static_cast<std::size_t>(std::min(total, done + kPiece)));
    file.read(std::span(idx.bytes).subspan(static_cast<std::size_t>(done)), done);
  }
  file.require_end();
  return idx;
}

}  // namespace

std::unique_ptr<Dataset> load_fashion_mnist(const DatasetOptions& options, Split split,
                                            const Network& network) {
  const std::string folder =
      options.path.empty() ? "/usr/share/datasets/fashion-mnist" : options.path;
  const std::string prefix =
      fmt::format("{}/{}-", folder, split == Split::kTraining ? "train" : "t10k");
  Idx images = read_idx(prefix + "images-idx3-ubyte.gz", 3);
  Idx labels = read_idx(prefix + "labels-idx1-ubyte.gz", 1);
  require(images.extents[0] == labels.extents[0], "{}: {} images but {} labels", folder,
          images.extents[0], labels.extents[0]);
  for (const std::uint8_t label : labels.bytes) {
    require(label < kClasses, "{}: a label {} of {} classes", folder, label, kClasses);
  }
  ImageBytes bytes{1, images.extents[1], images.extents[2], std::move(images.bytes),
                   std::move(labels.bytes)};
  // Of the training images.
  return image_dataset(std::move(bytes), {{0.2860F, 0.3530F}}, network, kName);
}

}  // namespace lamina::train
