// The table of networks, and how options become their configurations.
#include <array>

#include "base/check.h"
#include "lamina/nn.h"

namespace lamina {
namespace {

template <class T>
void take(std::int64_t option, T& field) {
  if (option != 0) field = static_cast<T>(option);
}

train::Network build_mmt(const NetworkOptions& o) {
  MmtConfig c;
  if (o.small) {
    c = {.layers = 2, .tokens = 16, .width = 32, .heads = 4, .feed_forward = 64, .classes = 10};
  }
  take(o.branches, c.branches);
  take(o.layers, c.layers);
  take(o.tokens, c.tokens);
  take(o.width, c.width);
  take(o.heads, c.heads);
  take(o.feed_forward, c.feed_forward);
  take(o.classes, c.classes);
  return mmt(c);
}

train::Network build_dlrm(const NetworkOptions& o) {
  DlrmConfig c;
  if (o.small) c = {.layers = 2, .width = 32, .rows = 100, .columns = 8, .bag = 4};
  take(o.branches, c.dense_branches);
  take(o.layers, c.layers);
  take(o.post_layers, c.post_layers);
  take(o.tables, c.tables);
  take(o.width, c.width);
  take(o.rows, c.rows);
  take(o.bag, c.bag);
  return dlrm(c);
}

train::Network build_candle_uno(const NetworkOptions& o) {
  CandleUnoConfig c;
  if (o.small) c = {.layers = 2, .post_layers = 2, .width = 32};
  take(o.branches, c.branches);
  take(o.layers, c.layers);
  take(o.post_layers, c.post_layers);
  take(o.width, c.width);
  return candle_uno(c);
}

train::Network build_decoder(const NetworkOptions& o) {
  DecoderConfig c;
  if (o.small) c = {.layers = 2, .tokens = 32, .width = 64, .heads = 4, .feed_forward = 128};
  c.tied = o.tied;
  take(o.layers, c.layers);
  take(o.tokens, c.tokens);
  take(o.width, c.width);
  take(o.heads, c.heads);
  take(o.feed_forward, c.feed_forward);
  take(o.vocabulary, c.vocabulary);
  return decoder(c);
}

train::Network build_resnet(const NetworkOptions& o) {
  ResNetConfig c;
  if (o.small) c = {.blocks = 1, .width = 8, .group_width = 4};
  take(o.layers, c.blocks);
  take(o.width, c.width);
  take(o.image, c.image);
  take(o.channels, c.channels);
  take(o.classes, c.classes);
  return resnet(c);
}

struct Entry {
  std::string_view name;
  train::Network (*build)(const NetworkOptions&);
  std::string_view options;  // that it has beside `small`, each with a space before and behind
};
constexpr std::array kNetworks = {
    Entry{"mmt", build_mmt, " branches layers tokens width heads feed_forward classes "},
    Entry{"dlrm", build_dlrm, " branches layers post_layers tables width rows bag "},
    Entry{"candle-uno", build_candle_uno, " branches layers post_layers width "},
    Entry{"decoder", build_decoder, " layers tokens width heads feed_forward vocabulary tied "},
    Entry{"resnet", build_resnet, " layers width image channels classes "},
};

template <class T>
void require_known(const Entry& entry, std::string_view name, const T& value) {
  if (name == "small" || !value) return;
  require(entry.options.find(fmt::format(" {} ", name)) != std::string_view::npos,
          "network '{}' has no option '{}'", entry.name, name);
  require(static_cast<std::int64_t>(value) > 0 && static_cast<std::int64_t>(value) <= INT32_MAX,
          "network '{}': {} must be from 1 to {}, got {}", entry.name, name, INT32_MAX, value);
}
// Every network has it.
void require_known(const Entry&, std::string_view, const std::vector<std::string>&) {}

}  // namespace

void freeze(train::Network& network, const std::vector<std::string>& beginnings) {
  for (const std::string& beginning : beginnings) {
    const std::size_t before = network.frozen.size();
    for (const Input& input : network.graph.inputs) {
      const std::string& name = network.graph.nodes[static_cast<std::size_t>(input.node)].name;
      if (input.role == Role::kWeight && name.starts_with(beginning))
        network.frozen.push_back(name);
    }
    require(network.frozen.size() > before, "network '{}': no weight's name begins with '{}'",
            network.name, beginning);
  }
}

std::vector<std::string_view> network_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : kNetworks) names.push_back(entry.name);
  return names;
}

train::Network network(std::string_view name, const NetworkOptions& options) {
  std::string known;
  for (const Entry& entry : kNetworks) {
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
    if (entry.name != name) continue;
    NetworkOptions::fields(options, [&](std::string_view option, const auto& value,
                                        std::string_view) { require_known(entry, option, value); });
    train::Network built = entry.build(options);
    freeze(built, options.frozen);
    return built;
  }
  fail(ErrorCode::kNotFound, "there is no network '{}'; known: {}", name, known);
}

}  // namespace lamina
