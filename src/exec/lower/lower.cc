// Places, steps and lifetimes.
#include "exec/lower/lower.h"

#include <algorithm>

#include "base/check.h"
#include "exec/lower/in_place.h"

namespace lamina::lower {
namespace {

// Values without operands are computed at load up to this size; larger ones at each run, in the
// arena, so that they do not stay in memory.
constexpr std::int64_t kLoadedBytes = 1 << 20;

Dim element_count(const Dims& shape) {
  Dim count = 1;
  for (const Dim& dim : shape) count = count * dim;
  return count;
}

struct Linear {
  Dim base;
  Dims strides;  // per loop
};

// The linear offset of an access, nullopt when it reads indices.
std::optional<Linear> linear(const Access& access, const Dims& shape, std::size_t loops) {
  const Dims seen = access.flat ? Dims{element_count(shape)} : shape;
  Linear result{0, Dims(loops, Dim(0))};
  Dim step = 1;
  for (std::size_t a = seen.size(); a-- > 0;) {
    if (!access.axes[a].indirect.empty()) return std::nullopt;
    result.base = result.base + access.axes[a].offset * step;
    for (const auto& term : access.axes[a].loops) {
      Dim& stride = result.strides[static_cast<std::size_t>(term.loop)];
      stride = stride + term.coefficient * step;
    }
    step = step * seen[a];
  }
  return result;
}

// A copy of an operand that keeps its order: the offset into it.
std::optional<Dim> view_offset(const Copy& copy, int operand, const Type& from, const Type& to) {
  if (copy.operand != operand || copy.combine != Combine::kSet || from.dtype != to.dtype) {
    return std::nullopt;
  }
  const auto source = linear(copy.from, from.shape, copy.extents.size());
  const auto target = linear(copy.to, to.shape, copy.extents.size());
  if (!source || !target || target->base != Dim(0)) return std::nullopt;
  for (std::size_t l = 0; l < copy.extents.size(); ++l) {
    if (copy.extents[l] != Dim(1) && source->strides[l] != target->strides[l]) return std::nullopt;
  }
  if (element_count(copy.extents) != element_count(to.shape)) return std::nullopt;
  return source->base;
}

class Lowering {
 public:
  explicit Lowering(Graph graph) {
    out_.graph = std::move(graph);
    out_.places.resize(out_.graph.nodes.size());
  }

  Lowered run() {
    place_inputs();
    for (std::size_t n = 0; n < out_.graph.nodes.size(); ++n) {
      if (out_.places[n].empty()) place_node(n);
    }
    std::stable_partition(out_.steps.begin(), out_.steps.end(),
                          [](const Step& step) { return step.at_load; });
    place_outputs();
    find_lifetimes();
    share_in_place(out_);
    return std::move(out_);
  }

 private:
  int add_storage(Storage::Kind kind, int index, const Type& type) {
    out_.storages.push_back({kind, index, type.dtype, element_count(type.shape)});
    return static_cast<int>(out_.storages.size()) - 1;
  }

  void place_inputs() {
    int given = 0;
    for (std::size_t i = 0; i < out_.graph.inputs.size(); ++i) {
      const Input& input = out_.graph.inputs[i];
      const auto n = static_cast<std::size_t>(input.node);
      Storage::Kind kind = Storage::Kind::kInput;
      auto index = static_cast<int>(i);
      if (input.role == Role::kWeight) {
        kind = Storage::Kind::kWeight;
      } else if (input.role == Role::kState) {
        kind = Storage::Kind::kState;
      } else {
        index = given++;
      }
      out_.places[n] = {{add_storage(kind, index, out_.graph.nodes[n].types[0]), 0}};
      out_.storages.back().is_donated = input.role == Role::kDonated;
    }
  }

  void place_node(std::size_t n) {
    const Node& node = out_.graph.nodes[n];
    if (const auto offsets = view_offsets(out_.graph, node)) {
      const Place& whole = out_.place(node.inputs[0]);
      for (const Dim& offset : *offsets) {
        out_.places[n].push_back({whole.storage, whole.offset + offset});
      }
      return;
    }
    const bool at_load = can_load(node);
    out_.steps.push_back({static_cast<NodeId>(n), at_load});
    for (const Type& type : node.types) {
      const auto kind = at_load ? Storage::Kind::kLoaded : Storage::Kind::kArena;
      out_.places[n].push_back({add_storage(kind, 0, type), 0});
    }
  }

  // Computed once, if that does not cost much more memory than its operands.
  bool can_load(const Node& node) const {
    std::int64_t operands = kLoadedBytes;
    for (const Value& v : node.inputs) {
      const Storage& storage = out_.storages[static_cast<std::size_t>(out_.place(v).storage)];
      if (storage.kind != Storage::Kind::kWeight && storage.kind != Storage::Kind::kLoaded) {
        return false;
      }
      operands += bytes(out_.graph.type(v)).value_or(0);
    }
    std::int64_t results = 0;
    for (const Type& type : node.types) {
      const auto known = bytes(type);
      if (!known) return false;
      results += *known;
    }
    return results <= operands && !names_sizes(node);
  }

  static std::optional<std::int64_t> bytes(const Type& type) {
    const auto shape = constant_shape(type.shape);
    if (!shape) return std::nullopt;
    return element_count(Dims(shape->begin(), shape->end())).constant_part() *
           traits(type.dtype).block_bytes;
  }

  // True if an attribute depends on a named size (size_value, the bounds of a slice).
  static bool names_sizes(const Node& node) {
    for (const auto& [name, attr] : node.attrs) {
      const auto* dims = std::get_if<Dims>(&attr);
      if (dims != nullptr && !constant_shape(*dims)) return true;
    }
    return !node.graphs.empty();
  }

  void place_outputs() {
    for (std::size_t i = 0; i < out_.graph.outputs.size(); ++i) {
      const Value value = out_.graph.outputs[i].value;
      const Place place = out_.place(value);
      Storage& storage = out_.storages[static_cast<std::size_t>(place.storage)];
      const Type& type = out_.graph.type(value);
      const Dim elements = element_count(type.shape);
      if (storage.kind == Storage::Kind::kArena && place.offset == Dim(0) &&
          storage.elements == elements) {
        storage.kind = Storage::Kind::kOutput;
        storage.index = static_cast<int>(i);
        continue;
      }
      const int target = add_storage(Storage::Kind::kOutput, static_cast<int>(i), type);
      out_.output_copies.push_back({place, {target, 0}, elements});
    }
    for (const Update& update : out_.graph.updates) {
      const Place& state = out_.place({update.state, 0});
      const Place& next = out_.place(update.next);
      if (state.storage == next.storage) continue;
      const Dim elements = out_.storages[static_cast<std::size_t>(state.storage)].elements;
      out_.state_copies.push_back({old_value(next, elements), state, elements});
    }
  }

  // A place that still holds the value when states are written: a copy, if it is itself a state.
  Place old_value(const Place& next, const Dim& elements) {
    const Storage& storage = out_.storages[static_cast<std::size_t>(next.storage)];
    if (storage.kind != Storage::Kind::kState) return next;
    const auto end = static_cast<int>(out_.steps.size());
    out_.storages.push_back({Storage::Kind::kArena, 0, storage.dtype, elements, end, end});
    const Place copy{static_cast<int>(out_.storages.size()) - 1, 0};
    out_.output_copies.push_back({next, copy, elements});
    return copy;
  }

  void find_lifetimes() {
    for (std::size_t s = 0; s < out_.steps.size(); ++s) {
      const auto n = static_cast<std::size_t>(out_.steps[s].node);
      for (const Place& place : out_.places[n]) {
        Storage& storage = out_.storages[static_cast<std::size_t>(place.storage)];
        storage.first = storage.last = static_cast<int>(s);
      }
      for (const Value& v : out_.graph.nodes[n].inputs) extend(out_.place(v), s);
    }
    for (const FinalCopy& copy : out_.output_copies) extend(copy.from, out_.steps.size());
    for (const FinalCopy& copy : out_.state_copies) extend(copy.from, out_.steps.size());
  }

  void extend(const Place& place, std::size_t step) {
    Storage& storage = out_.storages[static_cast<std::size_t>(place.storage)];
    storage.last = std::max(storage.last, static_cast<int>(step));
  }

  Lowered out_;
};

}  // namespace

std::optional<Dims> view_offsets(const Graph& graph, const Node& node) {
  const OpDef& op = *node.op;
  if (op.move_form == nullptr || node.inputs.empty()) return std::nullopt;
  std::vector<Type> types;
  const MoveForm form = op.move_form(view(graph, node, types));
  if (form.copies.size() != node.types.size()) return std::nullopt;
  Dims offsets(node.types.size(), Dim(0));
  std::vector<bool> seen(node.types.size(), false);
  for (const Copy& copy : form.copies) {
    const auto output = static_cast<std::size_t>(copy.output);
    const auto offset = view_offset(copy, 0, types[0], node.types[output]);
    if (!offset || seen[output]) return std::nullopt;
    offsets[output] = *offset;
    seen[output] = true;
  }
  return offsets;
}

bool is_whole_copy(const Copy& copy, int operand, const Type& from, const Type& to) {
  const auto offset = view_offset(copy, operand, from, to);
  return offset && *offset == Dim(0);
}

Lowered lower(Graph graph) { return Lowering(std::move(graph)).run(); }

ArenaPlan plan_storages(const Lowered& lowered, const Sizes& sizes) {
  std::vector<Lifetime> lifetimes;
  std::vector<std::size_t> which;
  for (std::size_t s = 0; s < lowered.storages.size(); ++s) {
    const Storage& storage = lowered.storages[s];
    if (storage.kind != Storage::Kind::kArena) continue;
    which.push_back(s);
    lifetimes.push_back({storage.elements.evaluate(sizes) * traits(storage.dtype).block_bytes,
                         storage.first, storage.last});
  }
  const ArenaPlan packed = plan_arena(lifetimes);
  ArenaPlan plan;
  plan.offsets.assign(lowered.storages.size(), 0);
  plan.bytes = packed.bytes;
  for (std::size_t i = 0; i < which.size(); ++i) plan.offsets[which[i]] = packed.offsets[i];
  return plan;
}

}  // namespace lamina::lower
