// A residual network for small images.
#include <array>

#include "base/check.h"
#include "lamina/nn.h"
#include "nn/layers.h"

namespace lamina {
namespace {

class ResNetBuilder {
 public:
  explicit ResNetBuilder(const ResNetConfig& config) : config_(config), layers_("resnet") {}

  train::Network build() {
    const Value images =
        layers_.input("images", DType::kF32, {config_.channels, config_.image, config_.image});
    const Value labels = layers_.input("labels", DType::kI64, {});
    Value x = relu(convolution(images, "stem", {config_.width, 3, 1}));
    for (int stage = 0; stage < 3; ++stage) {
      for (int b = 0; b < config_.blocks; ++b) {
        const bool first = stage > 0 && b == 0;
        x = block(x, fmt::format("stage_{}.block_{}", stage, b), config_.width << stage,
                  first ? 2 : 1);
      }
    }
    const Value pooled = layers_.graph().add("mean", {x}, {{"axes", Dims{2, 3}}});
    return layers_.classify(layers_.linear(pooled, "head", config_.classes), labels);
  }

 private:
  struct Filters {
    std::int64_t count;
    std::int64_t window;
    std::int64_t stride;
  };

  Value relu(Value x) { return layers_.graph().add("relu", {x}); }

  // A convolution without a bias, and its norm.
  Value convolution(Value x, const std::string& name, const Filters& filters) {
    Graph& graph = layers_.graph();
    const std::int64_t in = graph.type(x).shape[1].constant_part();
    const std::int64_t pad = filters.window / 2;
    const Value w =
        layers_.weight(name + ".weight", {filters.count, in, filters.window, filters.window});
    const Value y = graph.add("conv", {x, w},
                              {{"strides", Dims{filters.stride, filters.stride}},
                               {"pads_low", Dims{pad, pad}},
                               {"pads_high", Dims{pad, pad}}});
    return graph.add("group_norm",
                     {y, layers_.weight(name + ".norm.weight", {filters.count}),
                      layers_.weight(name + ".norm.bias", {filters.count})},
                     {{"groups", filters.count / config_.group_width}});
  }

  Value block(Value x, const std::string& name, std::int64_t width, std::int64_t stride) {
    const Value inner = relu(convolution(x, name + ".first", {width, 3, stride}));
    const Value outer = convolution(inner, name + ".second", {width, 3, 1});
    const Value shortcut = stride == 1 ? x : convolution(x, name + ".shortcut", {width, 1, stride});
    return relu(layers_.graph().add("add", {outer, shortcut}));
  }

  const ResNetConfig& config_;
  Layers layers_;
};

}  // namespace

train::Network resnet(const ResNetConfig& config) {
  require_positive(
      "resnet", std::array<std::int64_t, 6>{config.blocks, config.width, config.image,
                                            config.channels, config.group_width, config.classes});
  require(config.width % config.group_width == 0,
          "resnet: width {} is not a multiple of the {} channels of a group", config.width,
          config.group_width);
  return ResNetBuilder(config).build();
}

}  // namespace lamina
