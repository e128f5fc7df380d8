// Labelled images as a dataset.
#include "nn/train/images.h"

#include "base/check.h"

namespace lamina::train {
namespace {

class Images final : public Dataset {
 public:
  Images(ImageBytes bytes, std::vector<ChannelNorm> norms, DType images, DType labels)
      : bytes_(std::move(bytes)), images_(images), labels_(labels) {
    for (const ChannelNorm& norm : norms) {
      std::vector<float>& table = tables_.emplace_back(256);
      for (std::size_t v = 0; v < table.size(); ++v) {
        table[v] = (static_cast<float>(v) / 255.0F - norm.mean) / norm.deviation;
      }
    }
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(bytes_.labels.size()); }

  NamedTensors batch(std::span<const std::int64_t> samples) const override {
    check_samples(samples, size());
    const auto count = static_cast<std::int64_t>(samples.size());
    Tensor images(DType::kF32, {count, bytes_.channels, bytes_.height, bytes_.width});
    std::vector<std::int64_t> labels;
    float* to = images.span<float>().data();
    const auto plane = static_cast<std::size_t>(bytes_.height * bytes_.width);
    for (const std::int64_t sample : samples) {
      const auto s = static_cast<std::size_t>(sample);
      const std::uint8_t* from = bytes_.pixels.data() + s * tables_.size() * plane;
      for (const std::vector<float>& table : tables_) {
        for (std::size_t i = 0; i < plane; ++i) *to++ = table[*from++];
      }
      labels.push_back(bytes_.labels[s]);
    }
    return {{"images", images_ == DType::kF32 ? images : images.cast(images_)},
            {"labels", Tensor::from_integers(labels_, {count}, labels)}};
  }

 private:
  ImageBytes bytes_;
  DType images_;
  DType labels_;
  std::vector<std::vector<float>> tables_;  // per channel: the value of a byte
};

}  // namespace

std::unique_ptr<Dataset> image_dataset(ImageBytes bytes, std::vector<ChannelNorm> norms,
                                       const Network& network, std::string_view name) {
  const Type images = input_type(network, "images", name);
  const Type labels = input_type(network, "labels", name);
  const Shape shape = {bytes.channels, bytes.height, bytes.width};
  require(sample_shape(images, "images") == shape && traits(images.dtype).is_float,
          "{} has images of {}; network '{}' takes {}", name, to_string(shape), network.name,
          to_string(images));
  require(sample_shape(labels, "labels").empty() && traits(labels.dtype).is_integer,
          "{} has one label for each image; network '{}' takes {}", name, network.name,
          to_string(labels));
  return std::make_unique<Images>(std::move(bytes), std::move(norms), images.dtype, labels.dtype);
}

}  // namespace lamina::train
