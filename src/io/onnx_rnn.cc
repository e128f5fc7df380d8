// ONNX recurrent networks, unrolled over time: x is [time, batch, input], the gates of all steps
// come from one product with W, and each step adds the product of the hidden state with R.
#include <optional>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

constexpr std::int64_t kMaxSteps = 1024;  // more would make graphs too large to be useful

// One direction of the network.
struct Direction {
  Item w;                    // [input, gates * hidden]
  Item r;                    // [hidden, gates * hidden]
  std::optional<Item> bias;  // [2, gates * hidden]: of W and of R
  std::optional<Item> peepholes;
  Item h;  // [batch, hidden]
  Item c;
  std::vector<std::string> activations;
  bool backwards = false;
};

// What all steps of a node share.
struct Network {
  const OnnxCall& call;
  OnnxBuilder& b;
  std::int64_t gates;
  Dim hidden;
  DType dtype;

  Item scalar(double value) const { return OnnxBuilder::scalar(value, dtype); }
  Item add(const Item& x, const Item& y) const { return b.add("add", {x, y}); }
  Item mul(const Item& x, const Item& y) const { return b.add("mul", {x, y}); }
  Item dot(const Item& x, const Item& y) const { return b.add("matmul", {x, y}); }
  // Columns of gate `i` (of the last axis).
  Item gate(const Item& x, std::int64_t i) const {
    return b.slice(x, static_cast<int>(x.rank()) - 1, Dim(i) * hidden, hidden);
  }
  Item bias(const Direction& d, std::int64_t which) const {
    return d.bias ? b.select_index(*d.bias, 0, which) : scalar(0.0);
  }
  Item activate(const Direction& d, std::size_t which, Item x) const;
};

Item Network::activate(const Direction& d, std::size_t which, Item x) const {
  static const std::map<std::string_view, std::string_view> plain = {{"Sigmoid", "sigmoid"},
                                                                     {"Tanh", "tanh"},
                                                                     {"Relu", "relu"},
                                                                     {"Softsign", "softsign"},
                                                                     {"Softplus", "softplus"}};
  if (call.has_attr("clip")) {
    const double limit = call.real("clip", 0.0);
    x = b.add("clamp", {x}, {{"low", -limit}, {"high", limit}});
  }
  const std::string& name = d.activations.at(which);
  const auto found = plain.find(name);
  if (found == plain.end()) call.refuse("the activation {}", name);
  return b.add(found->second, {x});
}

// Gates z (update), r (reset), h (hidden).
Item gru_step(const Network& n, const Direction& d, const Item& x) {
  const Item u = n.dot(d.h, d.r);
  const Item bias = n.bias(d, 1);
  const auto part = [&](std::int64_t i) {
    return n.add(n.gate(u, i), d.bias ? n.gate(bias, i) : bias);
  };
  const Item z = n.activate(d, 0, n.add(n.gate(x, 0), part(0)));
  const Item r = n.activate(d, 0, n.add(n.gate(x, 1), part(1)));
  Item candidate;
  if (n.call.integer("linear_before_reset", 0) != 0) {
    candidate = n.mul(r, part(2));
  } else {
    candidate = n.add(n.dot(n.mul(r, d.h), n.gate(d.r, 2)), d.bias ? n.gate(bias, 2) : bias);
  }
  const Item h = n.activate(d, 1, n.add(n.gate(x, 2), candidate));
  const Item kept = n.b.add("sub", {n.scalar(1.0), z});
  return n.add(n.mul(kept, h), n.mul(z, d.h));
}

Item rnn_step(const Network& n, const Direction& d, const Item& x) {
  return n.activate(d, 0, n.add(x, n.add(n.dot(d.h, d.r), n.bias(d, 1))));
}

// Gates i (input), o (output), f (forget), c (cell). Returns the new h and c.
std::pair<Item, Item> lstm_step(const Network& n, const Direction& d, const Item& x) {
  const Item sum = n.add(x, n.add(n.dot(d.h, d.r), n.bias(d, 1)));
  // A peephole sees the cell: P holds the weights of i, o, f.
  const auto peep = [&](const Item& gate, std::int64_t i, const Item& cell) {
    return d.peepholes ? n.add(gate, n.mul(n.gate(*d.peepholes, i), cell)) : gate;
  };
  const Item i = n.activate(d, 0, peep(n.gate(sum, 0), 0, d.c));
  const Item f = n.call.integer("input_forget", 0) != 0
                     ? n.b.add("sub", {n.scalar(1.0), i})
                     : n.activate(d, 0, peep(n.gate(sum, 2), 2, d.c));
  const Item c = n.add(n.mul(f, d.c), n.mul(i, n.activate(d, 1, n.gate(sum, 3))));
  const Item o = n.activate(d, 0, peep(n.gate(sum, 1), 1, c));
  return {n.mul(o, n.activate(d, 2, c)), c};
}

// Where a sequence has ended, states stay and outputs are 0.
struct Lengths {
  std::optional<Item> of;  // i64 [batch, 1]

  Item choose(const Network& n, std::int64_t t, const Item& running, const Item& ended) const {
    if (!of) return running;
    const Item time = OnnxBuilder::scalar(static_cast<double>(t), DType::kI64);
    return n.b.select(n.b.add("less", {time, *of}), running, ended);
  }
};

// Runs one direction over all steps; returns the outputs in time order, [batch, hidden] each.
std::vector<Item> run(const Network& n, Direction& d, const Item& x, const Lengths& lengths) {
  const std::int64_t steps = *x.shape[0].constant();
  const Item gates = n.add(n.dot(x, d.w), n.bias(d, 0));
  std::vector<Item> outputs(static_cast<std::size_t>(steps));
  for (std::int64_t k = 0; k < steps; ++k) {
    const std::int64_t t = d.backwards ? steps - 1 - k : k;
    const Item now = n.b.select_index(gates, 0, t);
    Item h, c;
    if (n.call.node.op == "LSTM") {
      std::tie(h, c) = lstm_step(n, d, now);
      d.c = lengths.choose(n, t, c, d.c);
    } else {
      h = n.call.node.op == "GRU" ? gru_step(n, d, now) : rnn_step(n, d, now);
    }
    outputs[static_cast<std::size_t>(t)] = lengths.choose(n, t, h, n.scalar(0.0));
    d.h = lengths.choose(n, t, h, d.h);
  }
  return outputs;
}

Direction read_direction(const Network& n, std::int64_t i, std::int64_t directions,
                         const Dims& state_shape) {
  const OnnxCall& call = n.call;
  const auto part = [&](std::size_t input) { return n.b.select_index(call.in(input), 0, i); };
  Direction d;
  d.w = n.b.transpose(part(1), {1, 0});
  d.r = n.b.transpose(part(2), {1, 0});
  if (call.has(3)) d.bias = n.b.reshape(part(3), {2, Dim(n.gates) * n.hidden});
  if (call.node.op == "LSTM" && call.has(7)) d.peepholes = part(7);
  const int axis = call.integer("layout", 0) != 0 ? 1 : 0;
  const auto state = [&](std::size_t input) {
    return call.has(input) ? n.b.select_index(call.in(input), axis, i)
                           : n.b.filled(0.0, n.dtype, state_shape);
  };
  d.h = state(5);
  if (call.node.op == "LSTM") d.c = state(6);
  const std::string direction = call.text("direction", "forward");
  d.backwards = direction == "reverse" || i == 1;
  std::vector<std::string> names = call.texts("activations");
  if (names.empty()) {
    const std::vector<std::string> one = n.gates == 1 ? std::vector<std::string>{"Tanh"}
                                         : n.gates == 3
                                             ? std::vector<std::string>{"Sigmoid", "Tanh"}
                                             : std::vector<std::string>{"Sigmoid", "Tanh", "Tanh"};
    for (std::int64_t k = 0; k < directions; ++k) names.insert(names.end(), one.begin(), one.end());
  }
  const std::size_t each = names.size() / static_cast<std::size_t>(directions);
  const auto first = names.begin() + static_cast<std::ptrdiff_t>(each) * i;
  d.activations = {first, first + static_cast<std::ptrdiff_t>(each)};
  return d;
}

Items recurrent(const OnnxCall& call, std::int64_t gates) {
  OnnxBuilder& b = call.b;
  const bool batch_first = call.integer("layout", 0) != 0;
  const Item x = batch_first ? b.transpose(call.in(0), {1, 0, 2}) : call.in(0);
  require(x.rank() == 3 && call.in(1).rank() == 3 && call.in(2).rank() == 3,
          "X, W and R must have rank 3");
  if (!x.shape[0].is_constant() || *x.shape[0].constant() > kMaxSteps) {
    call.refuse("{} steps (a number up to {} is supported)", x.shape[0].to_string(), kMaxSteps);
  }
  const std::string direction = call.text("direction", "forward");
  require(direction == "forward" || direction == "reverse" || direction == "bidirectional",
          "direction '{}'", direction);
  const Network n{call, b, gates, call.in(2).shape[2], x.dtype};
  Lengths lengths;
  if (call.has(4)) {
    if (direction != "forward") call.refuse("sequence_lens with the direction {}", direction);
    lengths.of = b.reshape(b.cast(call.in(4), DType::kI64), {x.shape[1], 1});
  }
  if (call.has_attr("activation_alpha") || call.has_attr("activation_beta")) {
    call.refuse("activations with parameters");
  }
  const std::int64_t directions = direction == "bidirectional" ? 2 : 1;
  const int axis = batch_first ? 1 : 0;
  std::vector<std::vector<Item>> steps;
  std::vector<Item> hs, cs;
  for (std::int64_t i = 0; i < directions; ++i) {
    Direction d = read_direction(n, i, directions, {x.shape[1], n.hidden});
    steps.push_back(run(n, d, x, lengths));
    hs.push_back(b.unsqueeze(d.h, axis));
    if (call.node.op == "LSTM") cs.push_back(b.unsqueeze(d.c, axis));
  }
  Items outputs{Item{}, b.concat(hs, axis)};
  if (!cs.empty()) outputs.push_back(b.concat(cs, axis));
  if (!call.wants(0)) return outputs;
  // Y is [time, direction, batch, hidden], or [batch, time, direction, hidden].
  std::vector<Item> all;
  for (std::size_t t = 0; t < steps[0].size(); ++t) {
    std::vector<Item> sides;
    for (const auto& side : steps) sides.push_back(b.unsqueeze(side[t], 0));
    all.push_back(b.unsqueeze(b.concat(sides, 0), 0));
  }
  const Item y = b.concat(all, 0);
  outputs[0] = batch_first ? b.transpose(y, {2, 0, 1, 3}) : y;
  return outputs;
}

Items rnn(const OnnxCall& call) { return recurrent(call, 1); }
Items gru(const OnnxCall& call) { return recurrent(call, 3); }
Items lstm(const OnnxCall& call) { return recurrent(call, 4); }

}  // namespace

std::span<const OnnxRule> onnx_rnn_rules() {
  static const OnnxRule rules[] = {{"RNN", rnn, 7}, {"GRU", gru, 7}, {"LSTM", lstm, 7}};
  return rules;
}

}  // namespace lamina
