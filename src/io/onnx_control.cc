// ONNX control flow. A branch that is decided, and a loop whose number of trips is known, are
// written out; the others become the regions `if` and `loop`.
#include <algorithm>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

constexpr std::int64_t kMaxTrips = 1024;  // that are written out

// The body's outputs, its nodes added to the same graph; `given` are the items of its inputs.
Items inline_graph(const OnnxCall& call, const OnnxGraph& body, const Items& given) {
  OnnxScope inner{call.b, &call.scope, call.opset(), {}};
  bind_initializers(body, inner);
  require(given.size() <= body.inputs.size(), "a body of {} inputs for {} values",
          body.inputs.size(), given.size());
  for (std::size_t i = 0; i < given.size(); ++i) inner.items[body.inputs[i].name] = given[i];
  return convert_graph(body, inner);
}

// A body as a graph of its own; what it reads of the surroundings become further inputs.
struct Body {
  Graph graph;
  Items captured;
  bool has_list = false;  // an output is a sequence: the body must be written out
};

// `names` are the inputs of the body that become inputs of the graph, of the types of `inputs`;
// `known` are those that do not.
Body make_body(const OnnxCall& call, const OnnxGraph& body,
               const std::vector<std::pair<std::string, Item>>& inputs,
               const std::map<std::string, Item>& known) {
  Body made;
  made.graph.name = clean_name(body.name.empty() ? "body" : body.name);
  made.graph.sizes = call.b.graph().sizes;
  OnnxBuilder builder(made.graph, &call.b);
  OnnxScope scope{builder, &call.scope, call.opset(), known};
  bind_initializers(body, scope);
  for (const auto& [name, item] : inputs) {
    if (item.list) call.refuse("a sequence carried by a loop that is not written out");
    scope.items[name] = builder.add_input(clean_name(name), {item.dtype, item.shape, {}});
  }
  const Items outputs = convert_graph(body, scope);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    made.has_list = made.has_list || outputs[i].list != nullptr;
    if (outputs[i].list) continue;
    builder.set_name(clean_name(body.outputs[i].name));
    made.graph.add_output(clean_name(body.outputs[i].name), builder.put(outputs[i]));
  }
  made.captured = builder.captured();
  return made;
}

// Inputs that a branch does not read, before or after its own.
void add_unused_inputs(Graph& graph, const Items& items, bool before) {
  const auto own = static_cast<std::ptrdiff_t>(graph.inputs.size());
  for (const Item& item : items) graph.add_input("unused", {item.dtype, item.shape, {}});
  if (!before) return;
  std::rotate(graph.inputs.begin(), graph.inputs.begin() + own, graph.inputs.end());
}

bool same_types(const Graph& a, const Graph& b) {
  if (a.outputs.size() != b.outputs.size()) return false;
  for (std::size_t i = 0; i < a.outputs.size(); ++i) {
    if (a.type(a.outputs[i].value) != b.type(b.outputs[i].value)) return false;
  }
  return true;
}

Items branch(const OnnxCall& call) {
  Item condition = call.b.reshape(call.in(0), {});
  if (!condition.is_constant()) {
    Body yes = make_body(call, call.graph("then_branch"), {}, {});
    Body no = make_body(call, call.graph("else_branch"), {}, {});
    if (!yes.has_list && !no.has_list && same_types(yes.graph, no.graph)) {
      add_unused_inputs(yes.graph, no.captured, false);
      add_unused_inputs(no.graph, yes.captured, true);
      Items inputs{condition};
      inputs.insert(inputs.end(), yes.captured.begin(), yes.captured.end());
      inputs.insert(inputs.end(), no.captured.begin(), no.captured.end());
      return call.b.add_all("if", inputs, {}, {yes.graph, no.graph});
    }
  }
  // Sequences, and branches of different types: the condition must be known.
  const bool yes = call.known(0, "cond").to_integers().at(0) != 0;
  return inline_graph(call, call.graph(yes ? "then_branch" : "else_branch"), {});
}

// Stacks what the trips of a loop have scanned out.
Item stacked(const OnnxCall& call, const Items& slices, int axis) {
  Items parts;
  for (const Item& slice : slices) parts.push_back(call.b.unsqueeze(slice, axis));
  if (parts.empty()) call.refuse("scanned outputs of no trip at all");
  return call.b.concat(parts, axis);
}

// Written out: the condition must be decided in every trip.
Items unrolled_loop(const OnnxCall& call, std::int64_t trips, bool go_on) {
  const OnnxGraph& body = call.graph("body");
  Items carried(call.inputs.begin() + 2, call.inputs.end());
  require(body.outputs.size() >= 1 + carried.size(), "a body of {} outputs", body.outputs.size());
  std::vector<Items> scanned(body.outputs.size() - 1 - carried.size());
  for (std::int64_t i = 0; i < trips && go_on; ++i) {
    Items given{OnnxBuilder::scalar(static_cast<double>(i), DType::kI64),
                OnnxBuilder::scalar(1.0, DType::kBool)};
    given.insert(given.end(), carried.begin(), carried.end());
    const Items out = inline_graph(call, body, given);
    go_on = call.b.known(out[0], "the condition of a loop").to_integers().at(0) != 0;
    for (std::size_t k = 0; k < carried.size(); ++k) carried[k] = out[1 + k];
    for (std::size_t k = 0; k < scanned.size(); ++k) {
      scanned[k].push_back(out[1 + carried.size() + k]);
    }
  }
  Items outputs = carried;
  for (const Items& slices : scanned) outputs.push_back(stacked(call, slices, 0));
  return outputs;
}

// The region `loop`: its types may not change from trip to trip, and its body is not told the
// condition, which holds while it runs.
Items region_loop(const OnnxCall& call, const Item& trips, const Item& condition) {
  const OnnxGraph& body = call.graph("body");
  const Items carried(call.inputs.begin() + 2, call.inputs.end());
  require(body.inputs.size() == 2 + carried.size(), "a body of {} inputs", body.inputs.size());
  std::vector<std::pair<std::string, Item>> given{
      {body.inputs[0].name, OnnxBuilder::scalar(0.0, DType::kI64)}};
  for (std::size_t i = 0; i < carried.size(); ++i) {
    given.emplace_back(body.inputs[2 + i].name, carried[i]);
  }
  const Body made =
      make_body(call, body, given, {{body.inputs[1].name, OnnxBuilder::scalar(1.0, DType::kBool)}});
  if (made.has_list) call.refuse("a sequence computed in a loop that is not written out");
  Items inputs{trips, condition};
  inputs.insert(inputs.end(), carried.begin(), carried.end());
  inputs.insert(inputs.end(), made.captured.begin(), made.captured.end());
  return call.b.add_all("loop", inputs, {{"carried", static_cast<std::int64_t>(carried.size())}},
                        {made.graph});
}

// True when the condition that the body computes is the one it got, or a constant.
bool condition_is_decided(const OnnxGraph& body) {
  std::string name = body.outputs.at(0).name;
  for (std::size_t i = body.nodes.size(); i-- > 0;) {
    const OnnxNode& node = body.nodes[i];
    if (std::find(node.outputs.begin(), node.outputs.end(), name) == node.outputs.end()) continue;
    if (node.op == "Constant") return true;
    if (node.op != "Identity" && node.op != "Cast") return false;
    name = node.inputs.at(0);
  }
  return (body.inputs.size() > 1 && name == body.inputs[1].name) ||
         body.initializers.count(name) != 0;
}

Items loop(const OnnxCall& call) {
  require(call.count() >= 2, "a loop of {} inputs", call.count());
  const OnnxGraph& body = call.graph("body");
  require(!body.outputs.empty(), "a body without outputs");
  const Item trips = call.has(0) ? call.b.reshape(call.in(0), {})
                                 : constant_item(Tensor::from_integers(
                                       DType::kI64, {}, std::vector<std::int64_t>{INT64_MAX}));
  const Item condition =
      call.has(1) ? call.b.reshape(call.in(1), {}) : OnnxBuilder::scalar(1.0, DType::kBool);
  const bool scans = body.outputs.size() + 1 > call.count();
  const bool lists = std::any_of(call.inputs.begin(), call.inputs.end(),
                                 [](const Item& item) { return item.list != nullptr; });
  const bool decided = trips.is_constant() && condition.is_constant() &&
                       trips.constant.to_integers()[0] <= kMaxTrips && condition_is_decided(body);
  if (!decided && !scans && !lists) return region_loop(call, trips, condition);
  if (!call.has(0)) call.refuse("scanned outputs of a loop without a number of trips");
  const std::int64_t count = call.known(0, "M").to_integers().at(0);
  const bool go_on = !call.has(1) || call.known(1, "cond").to_integers().at(0) != 0;
  if (count > kMaxTrips) call.refuse("{} trips (up to {} are written out)", count, kMaxTrips);
  return unrolled_loop(call, count, go_on);
}

// The axis of scanned input or output `i`.
int scan_axis(const OnnxCall& call, std::string_view name, std::size_t i, std::size_t rank) {
  const std::vector<std::int64_t> axes = call.integers(name);
  return axes.empty() ? 0 : call.axis(axes.at(i), rank);
}

// Inputs are states and then scanned tensors, of which every trip sees one slice.
Items scan(const OnnxCall& call) {
  const OnnxGraph& body = call.graph("body");
  const auto scanned = static_cast<std::size_t>(call.integer("num_scan_inputs", 0));
  require(scanned >= 1 && scanned <= call.count(), "num_scan_inputs = {}", scanned);
  const std::size_t carried = call.count() - scanned;
  const auto backwards = [&](std::string_view name, std::size_t i) {
    const std::vector<std::int64_t> directions = call.integers(name);
    return !directions.empty() && directions.at(i) != 0;
  };
  Items state(call.inputs.begin(), call.inputs.begin() + static_cast<std::ptrdiff_t>(carried));
  const Item& first = call.in(carried);
  const Dim length =
      first.shape.at(static_cast<std::size_t>(scan_axis(call, "scan_input_axes", 0, first.rank())));
  if (!length.is_constant() || *length.constant() > kMaxTrips) {
    call.refuse("{} trips (a number up to {} is written out)", length.to_string(), kMaxTrips);
  }
  require(body.outputs.size() >= carried, "a body of {} outputs", body.outputs.size());
  std::vector<Items> out(body.outputs.size() - carried);
  for (std::int64_t t = 0; t < *length.constant(); ++t) {
    Items given = state;
    for (std::size_t i = 0; i < scanned; ++i) {
      const Item& x = call.in(carried + i);
      const int axis = scan_axis(call, "scan_input_axes", i, x.rank());
      const Dim at = backwards("scan_input_directions", i) ? length - Dim(1 + t) : Dim(t);
      given.push_back(call.b.select_index(x, axis, at));
    }
    const Items results = inline_graph(call, body, given);
    for (std::size_t i = 0; i < carried; ++i) state[i] = results[i];
    for (std::size_t i = 0; i < out.size(); ++i) {
      const bool front = backwards("scan_output_directions", i);
      out[i].insert(front ? out[i].begin() : out[i].end(), results[carried + i]);
    }
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t rank = out[i].empty() ? 1 : out[i][0].rank() + 1;
    state.push_back(stacked(call, out[i], scan_axis(call, "scan_output_axes", i, rank)));
  }
  return state;
}

// Runs the body on the elements of sequences (other inputs are the same for all).
Items sequence_map(const OnnxCall& call) {
  const OnnxGraph& body = call.graph("body");
  require(call.count() >= 1 && call.inputs[0].list, "input 0 is no sequence");
  const std::size_t count = call.inputs[0].list->size();
  std::vector<Items> out(body.outputs.size());
  for (std::size_t k = 0; k < count; ++k) {
    Items given;
    for (const Item& item : call.inputs) {
      require(!item.list || item.list->size() == count, "sequences of different lengths");
      given.push_back(item.list ? (*item.list)[k] : item);
    }
    const Items results = inline_graph(call, body, given);
    for (std::size_t i = 0; i < out.size(); ++i) out[i].push_back(results[i]);
  }
  Items lists;
  for (Items& items : out) lists.push_back(list_item(std::move(items)));
  return lists;
}

}  // namespace

std::span<const OnnxRule> onnx_control_rules() {
  static const OnnxRule rules[] = {
      {"If", branch}, {"Loop", loop}, {"Scan", scan, 9}, {"SequenceMap", sequence_map}};
  return rules;
}

}  // namespace lamina
