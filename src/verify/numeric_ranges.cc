// The range analysis: every kind of operator over Range, block graphs by iterating their loop.
#include "verify/numeric_ranges.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "graph/interpret.h"
#include "graph/simplify.h"
#include "graph/tolerance.h"
#include "verify/numeric_order.h"
#include "verify/numeric_scalar_ranges.h"
#include "verify/numeric_trace.h"
#include "verify/numeric_types.h"

namespace lamina {
namespace {

// States that still move after this many iterations are taken to be anything.
constexpr std::int64_t kMostIterations = 512;
constexpr int kMostTrips = 16;

// The values of integer types, and the bounds of floats.
double limit_of(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return 1.0;
    case DType::kU8:
    case DType::kI8:
      return 255.0;
    default:
      return traits(dtype).is_integer ? 0x1p63 : largest_finite(dtype);
  }
}

Range any_value(DType dtype) {
  if (dtype == DType::kBool) return Range::of({0.0, 1.0});
  return vague_range(limit_of(dtype));
}

std::int64_t count(std::span<const Dim> extents) {
  std::int64_t product = 1;
  for (const Dim& extent : extents) product *= extent.evaluate({});
  return product;
}

// Every term of these lies inside its operand; windows and running sums leave some out.
bool reads_every_term(const Node& node) {
  return node.attrs.has("axes") || node.op->name == "matmul" || node.op->name == "einsum";
}

class RangeAnalysis {
 public:
  // The outputs, then the next states.
  std::vector<Range> run(const Graph& graph, const std::vector<Range>& inputs) {
    const Graph merged = simplify(graph, [](const OpDef&) { return false; });
    Frame frame(merged);
    for (std::size_t i = 0; i < merged.inputs.size(); ++i) {
      frame.values[static_cast<std::size_t>(merged.inputs[i].node)] = {inputs[i]};
    }
    for (std::size_t n = 0; n < merged.nodes.size(); ++n) {
      if (frame.values[n].empty()) frame.values[n] = node(frame, n);
    }
    std::vector<Range> results;
    for (const Output& output : merged.outputs) results.push_back(frame.get(output.value));
    for (const Update& update : merged.updates) results.push_back(frame.get(update.next));
    return results;
  }

  std::vector<Hazard> take_hazards() { return std::move(hazards_); }

 private:
  struct Frame {
    explicit Frame(const Graph& of) : graph(of), values(of.nodes.size()), facts(of) {}
    const Range& get(Value v) const {
      return values[static_cast<std::size_t>(v.node)][static_cast<std::size_t>(v.output)];
    }

    const Graph& graph;
    std::vector<std::vector<Range>> values;
    OrderFacts facts;
  };

  std::vector<Range> node(Frame& frame, std::size_t n) {
    const Node& node = frame.graph.nodes[n];
    std::vector<Range> in;
    for (const Value& v : node.inputs) in.push_back(frame.get(v));
    trail_.enter(node);
    std::vector<Range> out = apply(frame, n, in);
    trail_.leave();
    return out;
  }

  std::vector<Range> apply(Frame& frame, std::size_t n, const std::vector<Range>& in) {
    const Node& node = frame.graph.nodes[n];
    const OpDef& op = *node.op;
    if (op.name == "block") return block(node, in);
    if (op.name == "if") return branch(node, in);
    if (op.name == "loop") return loop(node, in);
    if (op.name == "thread") return run(node.graphs[0], in);
    if (op.name == "load" || op.name == "store" || op.name == "after") return {in[0]};
    if (op.scalar.real != nullptr || op.scalar.whole != nullptr) {
      return {elementwise(frame, static_cast<NodeId>(n), in)};
    }
    std::vector<Type> types;
    const NodeView seen = view(frame.graph, node, types);
    if (op.loop_form != nullptr) return {loops(frame, static_cast<NodeId>(n), in, seen)};
    if (op.order_form != nullptr) return order(node, in, seen);
    if (op.move_form != nullptr) {
      frame.facts.note_copy(static_cast<NodeId>(n));
      return moves(node, in, seen);
    }
    if (op.expand != nullptr) return run(op.expand(seen), in);
    fail(ErrorCode::kUnsupported, "operator '{}' has no ranges", op.name);
  }

  void report(Hazard::Kind kind, std::string detail) {
    const std::string place = trail_.place();
    const bool known = std::any_of(hazards_.begin(), hazards_.end(), [&](const Hazard& hazard) {
      return hazard.kind == kind && hazard.place == place;
    });
    if (!known) hazards_.push_back({kind, place, std::move(detail), false});
  }

  // The range as values of `dtype`; reports when they do not fit, unless that says nothing.
  Range settle(const Node& node, Range x, DType dtype, bool vague, std::span<const Range> in) {
    const double limit = limit_of(dtype);
    if (!traits(dtype).is_float) {
      // Integers wrap around.
      return magnitude(x) <= limit && x.finite ? x : any_value(dtype);
    }
    for (const Range& operand : in) vague = vague || operand.vague;
    const double most = magnitude(x);
    if (most > limit * (1.0 + unit_roundoff(dtype) / 2)) {
      if (!vague) report(Hazard::Kind::kOverflow, overflow_detail(node, most, dtype, in));
      vague = true;
    }
    Range result = cut(x, limit);
    result.vague = vague && most > std::sqrt(limit);
    return result;
  }

  static std::string overflow_detail(const Node& node, double most, DType dtype,
                                     std::span<const Range> in) {
    const std::string_view name = traits(dtype).name;
    if (node.op->name == "exp") {
      return fmt::format("argument up to {:.4g}, {} overflows above {:.4g}", in[0].finite->high,
                         name, std::log(largest_finite(dtype)));
    }
    return fmt::format("up to {:.6g}, the largest {} is {:.5g}", most, name, largest_finite(dtype));
  }

  Range elementwise(Frame& frame, NodeId n, const std::vector<Range>& in) {
    const Node& node = frame.graph.node({n, 0});
    const DType dtype = node.types[0].dtype;
    if (node.op->scalar.interval == nullptr || dtype == DType::kBool) return any_value(dtype);
    ScalarRange result = scalar_range(frame.graph, n, in, frame.facts);
    if (traits(dtype).is_float) {
      if (result.hazard) report(result.hazard->first, std::move(result.hazard->second));
      if (node.op->name == "max") frame.facts.note_max(n);
      if (node.op->name == "select") frame.facts.note_select(n);
      if (node.op->name == "add") {
        frame.facts.note_sum(n, in[0].at_least_zero(), in[1].at_least_zero());
      }
    }
    return settle(node, result.range, dtype, result.vague, in);
  }

  Range loops(Frame& frame, NodeId n, const std::vector<Range>& in, const NodeView& seen) {
    const Node& node = frame.graph.node({n, 0});
    const LoopForm form = node.op->loop_form(seen);
    const auto extents = std::span(form.extents);
    const std::int64_t terms = count(extents.subspan(static_cast<std::size_t>(form.output_rank)));
    const bool contract = node.op->kind == Kind::kContract;
    Range term = in[0];
    for (std::size_t k = 1; k < in.size(); ++k) term = product(term, in[k]);
    const Monoid monoid = contract ? Monoid::kSum : node.op->monoid;
    if (!reads_every_term(node)) {
      if (monoid == Monoid::kSum) term = hull(term, Range::constant(0.0));
      if (monoid == Monoid::kProd) term = hull(term, Range::constant(1.0));
    }
    const bool grows = monoid == Monoid::kMax || (monoid == Monoid::kSum && in[0].at_least_zero());
    if (grows && !contract && node.attrs.has("axes")) frame.facts.note_fold(n);
    Range result = fold(monoid, term, terms);
    if (blocks_ > 0) result = hull(result, fold(monoid, term, 1));  // a ragged tile has fewer
    return settle(node, result, node.types[0].dtype, false, in);
  }

  std::vector<Range> order(const Node& node, const std::vector<Range>& in, const NodeView& seen) {
    const OrderForm form = node.op->order_form(seen);
    const Dim& line = seen.inputs[0].shape[static_cast<std::size_t>(form.axis)];
    std::vector<Range> out(node.types.size(), in[0]);
    if (form.positions) {
      out.back() = Range::of({0.0, std::max(0.0, static_cast<double>(line.evaluate({})) - 1.0)});
    }
    return out;
  }

  std::vector<Range> moves(const Node& node, const std::vector<Range>& in, const NodeView& seen) {
    std::vector<std::optional<Range>> out(node.types.size());
    for (const Copy& copy : node.op->move_form(seen).copies) {
      std::optional<Range>& to = out[static_cast<std::size_t>(copy.output)];
      const std::int64_t points = count(copy.extents);
      if (points == 0) continue;
      Range x = copied(copy, in);
      // In the worst case all terms meet in one element.
      if (copy.combine == Combine::kAdd)
        x = hull(Range::constant(0), fold(Monoid::kSum, x, points));
      if (copy.combine == Combine::kMul)
        x = hull(Range::constant(1), fold(Monoid::kProd, x, points));
      if (!to) {
        to = x;
      } else if (copy.combine == Combine::kAdd) {
        to = fold(Monoid::kSum, hull(*to, x), 2);
      } else if (copy.combine == Combine::kMul) {
        to = product(*to, x);
      } else {
        to = hull(*to, x);
      }
    }
    std::vector<Range> results;
    for (std::size_t k = 0; k < out.size(); ++k) {
      const Range x = out[k].value_or(Range::constant(0.0));
      results.push_back(settle(node, x, node.types[k].dtype, false, in));
    }
    return results;
  }

  static Range copied(const Copy& copy, const std::vector<Range>& in) {
    if (copy.operand >= 0) return in[static_cast<std::size_t>(copy.operand)];
    const double first = copy.fill + static_cast<double>(copy.fill_size.constant_part());
    if (copy.operand != Copy::kIndex || copy.extents.empty()) return Range::constant(first);
    const double steps = static_cast<double>(copy.extents[0].evaluate({})) - 1.0;
    return hull(Range::constant(first), Range::constant(first + copy.step * steps));
  }

  std::vector<Range> branch(const Node& node, const std::vector<Range>& in) {
    const std::vector<Range> rest(in.begin() + 1, in.end());
    std::vector<Range> out = run(node.graphs[0], rest);
    const std::vector<Range> other = run(node.graphs[1], rest);
    for (std::size_t k = 0; k < out.size(); ++k) out[k] = hull(out[k], other[k]);
    return out;
  }

  // Inputs and outputs as in Interpreter::loop.
  std::vector<Range> loop(const Node& node, const std::vector<Range>& in) {
    const Graph& body = node.graphs[0];
    const auto carried = static_cast<std::size_t>(node.attrs.integer("carried"));
    std::vector<Range> state(in.begin() + 2, in.begin() + 2 + static_cast<std::ptrdiff_t>(carried));
    std::vector<Range> scanned;
    bool settled = false;
    for (int trip = 0; trip <= kMostTrips && !settled; ++trip) {
      if (trip == kMostTrips) {
        for (std::size_t k = 0; k < carried; ++k) state[k] = any_value(node.types[k].dtype);
      }
      std::vector<Range> inputs{Range::of({0.0, 0x1p31})};
      inputs.insert(inputs.end(), state.begin(), state.end());
      inputs.insert(inputs.end(), in.begin() + 2 + static_cast<std::ptrdiff_t>(carried), in.end());
      const std::vector<Range> out = run(body, inputs);
      settled = true;
      for (std::size_t k = 0; k < carried; ++k) {
        const Range next = hull(state[k], out[1 + k]);
        settled = settled && next == state[k];
        state[k] = next;
      }
      scanned.assign(out.begin() + 1 + static_cast<std::ptrdiff_t>(carried), out.end());
    }
    state.insert(state.end(), scanned.begin(), scanned.end());
    return state;
  }

  // All tasks of a block see the same ranges, so one stands for all.
  std::vector<Range> block(const Node& node, const std::vector<Range>& in) {
    const Graph graph = simplify(node.graphs[0], [](const OpDef&) { return false; });
    const std::vector<bool> after = after_loop(graph);
    std::vector<Range> state;
    for (const Update& update : graph.updates) {
      state.push_back(Range::constant(graph.input(update.state)->initial));
    }
    const std::int64_t iterations = node.attrs.dims("loop").at(0).evaluate({});
    std::vector<Range> reached;  // by any iteration
    std::vector<Range> stored;   // by outputs that every iteration writes; others: of the last one
    std::optional<Frame> frame;
    ++blocks_;
    for (std::int64_t i = 0; i < std::min(iterations, kMostIterations); ++i) {
      frame.emplace(graph);
      enter_block(*frame, in, state);
      evaluate(*frame, after, false);
      const std::vector<Range> parts = stored_parts(*frame, after);
      stored = i == 0 ? parts : hulls(stored, parts);
      bool moved = false;
      for (std::size_t k = 0; k < state.size(); ++k) {
        const Range next = frame->get(graph.updates[k].next);
        moved = moved || next != state[k];
        state[k] = next;
      }
      reached = i == 0 ? state : hulls(reached, state);
      if (!moved) break;
      if (i + 1 < kMostIterations || iterations == kMostIterations) continue;
      for (std::size_t k = 0; k < state.size(); ++k) {
        reached[k] = any_value(graph.type(graph.updates[k].next).dtype);
      }
      for (std::size_t k = 0; k < stored.size(); ++k) {
        stored[k] = any_value(graph.type(graph.outputs[k].value).dtype);
      }
    }
    check(frame.has_value(), "a block graph without iterations");
    for (std::size_t k = 0; k < reached.size(); ++k) {
      frame->values[static_cast<std::size_t>(graph.updates[k].state)] = {reached[k]};
    }
    evaluate(*frame, after, true);
    --blocks_;
    std::vector<Range> out;
    for (std::size_t k = 0; k < graph.outputs.size(); ++k) {
      const Value value = graph.outputs[k].value;
      const bool in_loop = graph.node(value).attrs.integer("loop") >= 0;
      out.push_back(in_loop ? stored[k] : frame->get(value));
    }
    return out;
  }

  // What the outputs store now, where it is known before the loop ends.
  static std::vector<Range> stored_parts(const Frame& frame, const std::vector<bool>& after) {
    std::vector<Range> parts;
    for (const Output& output : frame.graph.outputs) {
      const bool late = after[static_cast<std::size_t>(output.value.node)];
      parts.push_back(late ? Range{} : frame.get(frame.graph.node(output.value).inputs[0]));
    }
    return parts;
  }

  static std::vector<Range> hulls(const std::vector<Range>& a, const std::vector<Range>& b) {
    std::vector<Range> out;
    for (std::size_t k = 0; k < a.size(); ++k) out.push_back(hull(a[k], b[k]));
    return out;
  }

  static void enter_block(Frame& frame, const std::vector<Range>& in,
                          const std::vector<Range>& state) {
    std::size_t next = 0;
    for (const Input& input : frame.graph.inputs) {
      std::vector<Range>& value = frame.values[static_cast<std::size_t>(input.node)];
      value = {input.role == Role::kState ? Range::constant(input.initial) : in[next++]};
    }
    for (std::size_t k = 0; k < state.size(); ++k) {
      frame.values[static_cast<std::size_t>(frame.graph.updates[k].state)] = {state[k]};
    }
  }

  // The nodes of the loop, or those after it.
  void evaluate(Frame& frame, const std::vector<bool>& after, bool behind) {
    for (std::size_t n = 0; n < frame.graph.nodes.size(); ++n) {
      const std::string_view op = frame.graph.nodes[n].op->name;
      // A store outside what follows the loop stores what the last iteration computed.
      const bool late = after[n] || op == "store";
      if (op != "input" && late == behind) frame.values[n] = node(frame, n);
    }
  }

  std::vector<Hazard> hazards_;
  Trail trail_;
  int blocks_ = 0;  // block graphs that are at work
};

}  // namespace

std::vector<Hazard> range_hazards(const Graph& graph, const std::vector<Range>& inputs) {
  RangeAnalysis analysis;
  analysis.run(graph, inputs);
  return analysis.take_hazards();
}

}  // namespace lamina
