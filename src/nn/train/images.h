// Labelled images held as bytes: the inputs "images" and "labels".
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "nn/train/readers.h"

namespace lamina::train {

struct ImageBytes {
  std::int64_t channels = 1;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::uint8_t> pixels;  // [image][channel][row][column]
  std::vector<std::uint8_t> labels;
};

// Of a channel, over all pixels of the training images divided by 255.
struct ChannelNorm {
  float mean = 0.0F;
  float deviation = 1.0F;
};

// Checks that the network's inputs fit.
std::unique_ptr<Dataset> image_dataset(ImageBytes bytes, std::vector<ChannelNorm> norms,
                                       const Network& network, std::string_view name);

}  // namespace lamina::train
