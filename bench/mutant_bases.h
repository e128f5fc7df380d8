// Graphs of which mutants are made: programs of this project at small and odd shapes, small
// programs of every family of operators, random graphs; each as it is, expanded, or as block
// graphs.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "graph/op_def.h"
#include "graph/random_graph.h"
#include "graph/simplify.h"
#include "lamina/graph.h"
#include "search/candidates.h"
#include "search/tiling.h"

namespace lamina::bench {

struct Family {
  std::string_view name;
  std::string_view text;  // $a ... $z stand for sizes
};

// The first six are those of examples/programs.
inline constexpr std::array kFamilies = {
    Family{"gqa", R"((q: f32[$b, $r, $d], k: f32[$b, $d, $t], v: f32[$b, $t, $d]) {
  scores = matmul(q, k) * 0.125
  y = matmul(softmax(scores, axis=-1), v)
  return y })"},
    Family{"qk_norm_gqa", R"((q: f32[$b, $r, $d], k: f32[$b, $d, $t], v: f32[$b, $t, $d]) {
  scores = matmul(rms_norm(q, axes=[-1]), rms_norm(k, axes=[1])) * 0.125
  y = matmul(softmax(scores, axis=-1), v)
  return y })"},
    Family{"rms_norm_linear", R"((x: f32[$r, $d], weight w: f32[$d, $c]) {
  y = matmul(rms_norm(x, axes=[-1], epsilon=1e-6), w)
  return y })"},
    Family{"gated_mlp", R"((x: f32[$r, $d], weight w1: f32[$d, $c], weight w2: f32[$d, $c]) {
  y = silu(matmul(x, w1)) * matmul(x, w2)
  return y })"},
    Family{
        "lora",
        R"((x: f32[$r, $d], weight w: f32[$d, $c], weight a: f32[$d, $k], weight b: f32[$k, $c]) {
  y = matmul(x, w) + matmul(matmul(x, a), b)
  return y })"},
    Family{"norm_transformer", R"((h: f32[$r, $c], x: f32[$r, $c], alpha: f32[$r, $c]) {
  y = rms_norm(x + alpha * (rms_norm(h) + x))
  return y })"},
    Family{"split_k", R"((x: f32[$r, 12], y: f32[12, $c]) {
  z = block(x, y, grid=[ceil($c / 2)], loop=[4]) {
    state acc: f32[$r, 2] = 0.0
    xt = load(x, grid=[-1], loop=1, tile=[$r, 3])
    yt = load(y, grid=[1], loop=0, tile=[3, 2])
    acc <- acc + xt @ yt
    return store(after(acc), grid=[1], shape=[$r, $c])
  }
  return z })"},
    Family{"tiled_norm", R"((x: f32[$r, 10], w: f32[10, $c]) {
  z = block(x, w, grid=[ceil($c / 2)], loop=[4]) {
    state acc: f32[$r, 2] = 0.0
    state squares: f32[$r, 1] = 0.0
    xt = load(x, grid=[-1], loop=1, tile=[$r, 3])
    wt = load(w, grid=[1], loop=0, tile=[3, 2])
    acc <- acc + xt @ wt
    squares <- squares + sum(xt * xt, axes=[1], keepdims=true)
    y = after(acc) * rsqrt(after(squares) * 0.1 + 1e-6)
    return store(y, grid=[1], shape=[$r, $c])
  }
  return z })"},
    Family{"tiled_square",
           R"((x: f32[$s, $s], y: f32[$s, $s], z: f32[$s, $s]) {
  u = block(x, y, z, grid=[ceil($s / 2), ceil($s / 2)], loop=[$s]) {
    state acc: f32[2, 2] = 0.0
    state most: f32[2, 1] = -1e30
    xt = load(x, grid=[0, -1], loop=1, tile=[2, 1])
    yt = load(y, grid=[-1, 1], loop=0, tile=[1, 2])
    acc <- acc + xt @ yt
    most <- max(most, xt)
    zt = load(z, grid=[0, 1], tile=[2, 2])
    return store((after(acc) - after(most)) * zt, grid=[0, 1], shape=[$s, $s])
  }
  return u })"},
    Family{"causal_mask", R"((x: f32[$t, $d], y: f32[$d, $t], v: f32[$t, $c]) {
  i = iota(shape=[$t, $t], axis=0)
  j = iota(shape=[$t, $t], axis=1)
  s = select(less_equal(j, i), matmul(x, y) * 0.5, -1e30)
  return z = matmul(softmax(s, axis=-1), v) })"},
    Family{"additive_mask", R"((s: f32[$r, $t], mask: f32[$r, $t], v: f32[$t, $c]) {
  e = exp(s * 0.25 + trilu(mask, upper=false, k=1))
  return z = (e / sum(e, axes=[1], keepdims=true)) @ v })"},
    Family{"attention", R"((q: f32[1, 4, $t, $d], k: f32[1, 2, $t, $d], v: f32[1, 2, $t, $c]) {
  return y = attention(q, k, v, causal=true) })"},
    Family{"windowed_attention",
           R"((q: f32[1, 2, $t, $d], k: f32[1, 2, $t, $d], v: f32[1, 2, $t, $c]) {
  return y = attention(q, k, v, causal=true, window=2, scale=0.3) })"},
    Family{"layer_norm", R"((x: f32[$r, $c], w: f32[$c], b: f32[$c], u: f32[$c, $d]) {
  return y = layer_norm(x, w, b) @ u })"},
    Family{"group_norm", R"((x: f32[$b, 4, $d], w: f32[4], b: f32[4]) {
  return y = group_norm(x, w, b, groups=2) })"},
    Family{"batch_norm", R"((x: f32[$b, $c, $d], g: f32[$c], b: f32[$c], m: f32[$c], v: f32[$c]) {
  return y = batch_norm(x, g, b, m, exp(v)) })"},
    Family{"activations", R"((x: f32[$r, $c], y: f32[$r, $c]) {
  return z = gelu(x, approximate="tanh") * sigmoid(y) + softplus(x - y) - tanh(y) * elu(x) })"},
    Family{"piecewise", R"((x: f32[$r, $c], y: f32[$r, $c]) {
  return z = relu(x) * leaky_relu(y) + clamp(x - y, low=-0.5, high=0.75) - hardswish(x) })"},
    Family{"embedding", R"((table: f32[$t, $d], ids: i64[$r], w: f32[$d, $c]) {
  return y = rms_norm(embedding(table, ids)) @ w })"},
    Family{"gather", R"((x: f32[$r, $t], ids: i64[$r, $c], b: f32[$r, $c]) {
  return y = gather_elements(x, ids, axis=1) * 2.0 + b })"},
    Family{"rotary", R"((x: f32[$t, 4], y: f32[$t, 4], angle: f32[$t, 2]) {
  c = cos(angle)
  s = sin(angle)
  return z = rotary(x, c, s) @ transpose(rotary(y, c, s)) })"},
    Family{"log_softmax", R"((x: f32[$r, $c], y: f32[$r, $c]) {
  return z = log_softmax(x, axis=-1) + logsumexp(y, axes=[-1], keepdims=true) * 0.5 })"},
    Family{"running_sum", R"((x: f32[$r, $c], y: f32[$r, $c]) {
  return z = cumsum(x * y, axis=1) / (cumsum(exp(x), axis=1, exclusive=true) + 1.0) })"},
    Family{"conv", R"((x: f32[$n, $i, $w], w: f32[$o, $i, 3], b: f32[$o]) {
  y = conv(x, w, b, pads_low=[1], pads_high=[1])
  return z = silu(y) })"},
    Family{"cut_and_join", R"((x: f32[$r, 6], y: f32[$r, 4]) {
  a = slice(x, start=[0, 1], size=[$r, 3])
  b = pad(y, low=[0, 1], high=[0, -2])
  return z = concat(a * b, transpose(transpose(b) * 3.0) - a, axis=1) })"},
    Family{"extremes", R"((x: f32[$r, $c], y: f32[$r, $c]) {
  m = reduce_max(x, axes=[1], keepdims=true)
  return z = max(x - m, min(y, x)) + abs(y) })"},
    Family{"square", R"((x: f32[$s, $s], y: f32[$s, $s], z: f32[$s, $s]) {
  s = softmax(x @ y, axis=1)
  n = rms_norm(z - transpose(x), axes=[0], epsilon=1e-3)
  return u = (s @ n) / (1.0 + exp(y)) - sum(z, axes=[1], keepdims=true) * x })"},
    Family{"variance", R"((x: f32[$r, $c]) {
  m = mean(x, axes=[1], keepdims=true)
  d = x - m
  v = mean(d * d, axes=[1], keepdims=true)
  return y = d / sqrt(v + 1e-5), w = v })"},
};

struct Base {
  std::string name;  // family and form: "gqa fused"
  Graph graph;
};

using Extents = std::array<std::int64_t, 26>;  // by letter

inline Graph instance(const Family& family, const Extents& extents) {
  std::string text = fmt::format("lamina 1\ngraph {}", family.name);
  for (std::size_t i = 0; i < family.text.size(); ++i) {
    const char c = family.text[i];
    if (c == '$') {
      text += fmt::to_string(extents[static_cast<std::size_t>(family.text[++i] - 'a')]);
    } else {
      text += c;
    }
  }
  return parse_graph(text, family.name);
}

inline Extents small_extents(Rng& rng) {
  constexpr std::array kChoice = {1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 11, 13};
  Extents extents;
  for (std::int64_t& extent : extents) {
    extent = kChoice[static_cast<std::size_t>(rng.integer(0, std::ssize(kChoice) - 1))];
  }
  return extents;
}

// The first six families with the reduced axes of examples/programs; of batches, rows and columns,
// which do the same again, as many as a check of a few seconds bears. lora and norm_transformer are
// whole.
inline Graph long_instance(std::size_t family) {
  Extents extents{};
  const auto set = [&](char letter, std::int64_t extent) {
    extents[static_cast<std::size_t>(letter - 'a')] = extent;
  };
  set('b', 1);
  set('k', 16);
  if (family < 2) {
    set('r', 4), set('d', 64), set('t', 4096);
  } else if (family < 4) {
    set('r', 8), set('d', 4096), set('c', 32);
  } else if (family == 4) {
    set('r', 16), set('d', 256), set('c', 4096);
  } else {
    set('r', 64), set('c', 4096);
  }
  return instance(kFamilies[family], extents);
}

// Without axes of one element, along which norms and softmaxes are constants.
inline Graph small_random_graph(Rng& rng) {
  for (;;) {
    Graph graph = random_graph(
        rng, {.steps = static_cast<int>(rng.integer(2, 5)), .max_rows = 7, .max_width = 13});
    const bool thin = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
      const Dims& shape = node.types[0].shape;
      return node.op->name == "input" && std::find(shape.begin(), shape.end(), 1) != shape.end();
    });
    if (!thin) return graph;
  }
}

// A block graph that the optimiser would try; nothing where there is none.
inline std::optional<Graph> fused_by_rules(const Graph& graph, Rng& rng) {
  static const CpuMachine machine = load_cpu_machine("share/machines/epyc_zen3.json");
  const Graph prepared = search::prepare(graph);
  const auto recipes =
      search::generate(prepared, {.threads = 2, .machine = search::block_machine(machine, 2)})
          .recipes;
  if (recipes.empty()) return std::nullopt;
  const auto chosen = static_cast<std::size_t>(rng.integer(0, std::ssize(recipes) - 1));
  return search::apply(prepared, recipes[chosen]);
}

// A block graph whose tiles cut small axes raggedly.
inline std::optional<Graph> fused_raggedly(const Graph& graph, Rng& rng) {
  const Graph prepared = search::prepare(graph);
  constexpr int kTries = 12;
  for (int i = 0; i < kTries; ++i) {
    search::Tiling tiling;
    for (std::size_t k = prepared.type(prepared.outputs[0].value).shape.size(); k > 0; --k) {
      tiling.tile.push_back(rng.integer(0, 3));
    }
    if (search::has_softmax_between_products(prepared)) tiling.loop_tile = rng.integer(1, 4);
    if (std::optional<Graph> tiled = search::tile_program(prepared, tiling)) return tiled;
  }
  return std::nullopt;
}

// Base number `number` of a run; a fourth are random graphs.
inline Base make_base(std::size_t number, std::uint64_t seed) {
  Rng rng = Rng(seed).split(number);
  const std::size_t kind = number % (kFamilies.size() + kFamilies.size() / 3);
  Base base;
  if (kind < kFamilies.size()) {
    base = {std::string(kFamilies[kind].name), instance(kFamilies[kind], small_extents(rng))};
  } else {
    base = {"random", small_random_graph(rng)};
  }
  const std::int64_t form = rng.integer(0, 2);
  if (form == 1) base = {base.name + " expanded", simplify(base.graph)};
  if (form == 2) {
    auto block =
        rng.chance(0.1) ? fused_by_rules(base.graph, rng) : fused_raggedly(base.graph, rng);
    if (block) base = {base.name + " fused", std::move(*block)};
  }
  drop_dead_nodes(base.graph);
  return base;
}

// The long instance of a program, as it is or by the rules of the optimiser.
inline Base make_long_base(std::size_t family, bool fused, Rng& rng) {
  Base base{fmt::format("{} long", kFamilies[family].name), long_instance(family)};
  if (!fused) return base;
  std::optional<Graph> block = fused_by_rules(base.graph, rng);
  check(block.has_value(), "no candidate for {}", base.name);
  return {base.name + " fused", std::move(*block)};
}

}  // namespace lamina::bench
