// Random graphs, layer by layer.
#include "graph/random_graph.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace lamina {
namespace {

constexpr std::array<std::int64_t, 16> kExtents = {1,  2,  3,   5,   7,   13,  17,  31,
                                                   33, 65, 127, 129, 255, 511, 577, 1023};
constexpr std::array<const char*, 8> kActivations = {"silu", "relu", "tanh",     "sigmoid",
                                                     "gelu", "exp",  "softplus", "abs"};

template <class List>
auto any(Rng& rng, const List& list) {
  return list[static_cast<std::size_t>(rng.integer(0, std::ssize(list) - 1))];
}

class Generator {
 public:
  Generator(Rng& rng, const RandomGraphOptions& options) : rng_(rng), options_(options) {}

  Graph run() {
    graph_.name = "random";
    Dims shape;
    if (rng_.chance(0.25)) shape.push_back(rng_.integer(2, 3));
    shape.push_back(extent(options_.max_rows));
    shape.push_back(extent(options_.max_width));
    Value x = graph_.add_input("x", {options_.dtype, shape, {}});
    for (int i = 0; i < options_.steps; ++i) {
      history_.push_back(x);
      x = layer(x);
    }
    graph_.add_output("y", x);
    if (rng_.chance(0.3)) graph_.add_output("z", any(rng_, history_));
    return std::move(graph_);
  }

 private:
  std::int64_t extent(std::int64_t most) {
    std::int64_t value = any(rng_, kExtents);
    while (value > most) value = any(rng_, kExtents);
    return value;
  }

  std::int64_t width(Value x) const { return graph_.type(x).shape.back().constant_part(); }

  Value weight(Dims shape) {
    const std::string name = "w" + std::to_string(++weights_);
    return graph_.add_input(name, {options_.dtype, std::move(shape), {}}, Role::kWeight);
  }

  Value linear(Value x, std::int64_t to) {
    return graph_.add("matmul", {x, weight({width(x), to})});
  }

  Value normalised(Value x) {
    switch (rng_.integer(0, 2)) {
      case 0:
        return graph_.add("rms_norm", {x});
      case 1:
        return graph_.add("rms_norm", {x, weight({width(x)})});
      default:
        return graph_.add("layer_norm", {x, weight({width(x)}), weight({width(x)})});
    }
  }

  // exp only of what is bounded: a chain of them would leave the range of every type.
  Value activated(Value x) {
    const std::string_view name = any(rng_, kActivations);
    return graph_.add(name, {name == "exp" ? graph_.add("tanh", {x}) : x});
  }

  Value gated(Value x) {
    const std::int64_t to = extent(options_.max_width);
    return graph_.add("mul", {graph_.add("silu", {linear(x, to)}), linear(x, to)});
  }

  // softmax(scale * x k) v with weights as keys and values.
  Value attention(Value x) {
    const Value scale = graph_.constant(any(rng_, std::array{0.5, 1.0, 2.0}), options_.dtype);
    const Value scores = graph_.add("mul", {linear(x, extent(options_.max_width)), scale});
    const Value shares = graph_.add("softmax", {scores}, {{"axis", -1}});
    return linear(shares, extent(options_.max_width));
  }

  // x minus or plus its mean or greatest element along an axis.
  Value reduced(Value x) {
    const Attrs attrs = {{"axes", Dims{rng_.chance(0.7) ? -1 : -2}}, {"keepdims", true}};
    const Value folded = graph_.add(rng_.chance(0.5) ? "mean" : "reduce_max", {x}, attrs);
    return graph_.add(rng_.chance(0.5) ? "sub" : "add", {x, folded});
  }

  // The sum with an earlier value of the same shape, or with a product that has it.
  Value residual(Value x) {
    for (std::size_t i = history_.size(); i-- > 0;) {
      const bool same = graph_.type(history_[i]).shape == graph_.type(x).shape;
      if (same && history_[i] != x) return graph_.add("add", {x, history_[i]});
    }
    return graph_.add("add", {x, linear(activated(x), width(x))});
  }

  Value layer(Value x) {
    switch (rng_.integer(0, 7)) {
      case 0:
        return linear(x, extent(options_.max_width));
      case 1:
        return linear(normalised(x), extent(options_.max_width));
      case 2:
        return gated(x);
      case 3:
        return attention(x);
      case 4:
        return activated(x);
      case 5:
        return normalised(x);
      case 6:
        return reduced(x);
      default:
        return residual(x);
    }
  }

  Rng& rng_;
  RandomGraphOptions options_;
  Graph graph_;
  std::vector<Value> history_;
  int weights_ = 0;
};

}  // namespace

Graph random_graph(Rng& rng, const RandomGraphOptions& options) {
  require(options.steps >= 1 && options.max_rows >= 1 && options.max_width >= 1,
          "random_graph: steps and extents must be positive");
  return Generator(rng, options).run();
}

}  // namespace lamina
