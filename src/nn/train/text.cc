// A text as bytes: sample i is window i of T bytes ("tokens") and the bytes one further
// ("targets").
#include "base/check.h"
#include "base/files.h"
#include "nn/train/readers.h"

namespace lamina::train {
namespace {

constexpr std::string_view kName = "text";

class Text final : public Dataset {
 public:
  Text(std::string bytes, std::int64_t window, DType tokens, DType targets)
      : bytes_(std::move(bytes)), window_(window), tokens_(tokens), targets_(targets) {}

  std::int64_t size() const override {
    return (static_cast<std::int64_t>(bytes_.size()) - 1) / window_;
  }

  NamedTensors batch(std::span<const std::int64_t> samples) const override {
    check_samples(samples, size());
    std::vector<std::int64_t> tokens, targets;
    for (const std::int64_t sample : samples) {
      for (std::int64_t t = sample * window_; t < (sample + 1) * window_; ++t) {
        tokens.push_back(byte(t));
        targets.push_back(byte(t + 1));
      }
    }
    const Shape shape = {static_cast<std::int64_t>(samples.size()), window_};
    return {{"tokens", Tensor::from_integers(tokens_, shape, tokens)},
            {"targets", Tensor::from_integers(targets_, shape, targets)}};
  }

 private:
  std::int64_t byte(std::int64_t at) const {
    return static_cast<unsigned char>(bytes_[static_cast<std::size_t>(at)]);
  }

  std::string bytes_;
  std::int64_t window_;
  DType tokens_;
  DType targets_;
};

}  // namespace

std::unique_ptr<Dataset> load_text(const DatasetOptions& options, Split split,
                                   const Network& network) {
  require(!options.path.empty(), "text: --path FILE is needed");
  require(options.test_fraction >= 0.0 && options.test_fraction < 1.0,
          "test_fraction {}: expected at least 0, below 1", options.test_fraction);
  const Type tokens = input_type(network, "tokens", kName);
  const Type targets = input_type(network, "targets", kName);
  const Shape window = sample_shape(tokens, "tokens");
  require(window.size() == 1 && sample_shape(targets, "targets") == window &&
              traits(tokens.dtype).is_integer && traits(targets.dtype).is_integer,
          "text gives integers [N, T]; network '{}' takes {} and {}", network.name,
          to_string(tokens), to_string(targets));
  const std::string text = read_file(options.path);
  const auto tested =
      static_cast<std::size_t>(options.test_fraction * static_cast<double>(text.size()));
  const std::size_t cut = text.size() - tested;
  std::string part = split == Split::kTraining ? text.substr(0, cut) : text.substr(cut);
  require(static_cast<std::int64_t>(part.size()) > window[0],
          "{}: {} bytes are too few for a window of {}", options.path, part.size(), window[0]);
  return std::make_unique<Text>(std::move(part), window[0], tokens.dtype, targets.dtype);
}

}  // namespace lamina::train
