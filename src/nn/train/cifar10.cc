// CIFAR-10 in its binary version: records of a label and 3072 bytes, [3][32][32], in the files
// data_batch_1.bin ... data_batch_5.bin and test_batch.bin.
#include "base/check.h"
#include "base/files.h"
#include "nn/train/images.h"

namespace lamina::train {
namespace {

constexpr std::string_view kName = "cifar10";
constexpr std::size_t kPixels = 3 * 32 * 32;
constexpr std::size_t kRecord = 1 + kPixels;
constexpr std::uint8_t kClasses = 10;

void add_file(const std::string& path, ImageBytes& to) {
  const auto file = map_file(path);
  require(file->bytes > 0 && file->bytes % kRecord == 0, "{}: {} bytes; expected a multiple of {}",
          path, file->bytes, kRecord);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(file->data);
  for (std::size_t at = 0; at < file->bytes; at += kRecord) {
    require(bytes[at] < kClasses, "{}: a label {} of {} classes in record {}", path, bytes[at],
            kClasses, at / kRecord);
    to.labels.push_back(bytes[at]);
    to.pixels.insert(to.pixels.end(), bytes + at + 1, bytes + at + kRecord);
  }
}

}  // namespace

std::unique_ptr<Dataset> load_cifar10(const DatasetOptions& options, Split split,
                                      const Network& network) {
  require(!options.path.empty(), "cifar10: --path FOLDER is needed");
  ImageBytes bytes{3, 32, 32, {}, {}};
  if (split == Split::kTest) {
    add_file(options.path + "/test_batch.bin", bytes);
  } else {
    for (int i = 1; i <= 5; ++i) {
      add_file(fmt::format("{}/data_batch_{}.bin", options.path, i), bytes);
    }
  }
  // Of the training images.
  std::vector<ChannelNorm> norms = {{0.4914F, 0.2470F}, {0.4822F, 0.2435F}, {0.4465F, 0.2616F}};
  return image_dataset(std::move(bytes), std::move(norms), network, kName);
}

}  // namespace lamina::train
