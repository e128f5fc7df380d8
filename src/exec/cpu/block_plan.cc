// Planning of block kernels: expansion, phases, cuts, places, and the order of updates.
#include "exec/cpu/block_plan.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "exec/cpu/block_gather.h"
#include "exec/cpu/block_views.h"
#include "exec/cpu/emit_common.h"
#include "exec/cpu/gemm_text.h"
#include "graph/interpret.h"
#include "graph/simplify.h"

namespace lamina::cpu {
namespace {

using Form = BlockValue::Form;

constexpr int kUnknownCut = -2;

class Planner {
 public:
  explicit Planner(const EmitContext& context) : context_(context) {
    const auto expands = [](const OpDef& op) { return is_composite(op) && op.name != "mean"; };
    plan_.graph = simplify(context.node.graphs[0], expands);
    plan_.grid = context.node.attrs.dims("grid");
    const Dims& loop = context.node.attrs.dims("loop");
    plan_.iterations = loop.empty() ? Dim(1) : loop[0];
    plan_.values.resize(plan_.graph.nodes.size());
    readers_.resize(plan_.graph.nodes.size());
    for (NodeId id = 0; id < plan_.count(); ++id) {
      for (const Value& input : plan_.node(id).inputs) {
        require(input.output == 0, "block: '{}' reads an output other than the first",
                plan_.node(id).name);
        readers_[static_cast<std::size_t>(input.node)].push_back(id);
      }
    }
  }

  BlockPlan plan() {
    number_inputs();
    for (NodeId id = 0; id < plan_.count(); ++id) check_node(plan_.node(id));
    set_phases();
    for (int pass = 0; pass < 4; ++pass) set_cuts();
    find_accumulations();
    for (NodeId id = 0; id < plan_.count(); ++id) {
      if (is_product(plan_.node(id))) find_product(id);
    }
    for (NodeId id = 0; id < plan_.count(); ++id) set_form(id);
    finish_accumulations();
    order_updates();
    return std::move(plan_);
  }

 private:
  void number_inputs() {
    plan_.input_index.assign(plan_.graph.nodes.size(), -1);
    int next = 0;
    for (const Input& input : plan_.graph.inputs) {
      if (input.role == Role::kState) {
        states_.insert(input.node);
      } else {
        plan_.input_index[static_cast<std::size_t>(input.node)] = next++;
      }
    }
  }

  // A fold over whole axes, not over windows of them.
  bool folds_axes(const Node& node) const {
    if (!is_fold(node)) return false;
    if (node.op->name == "mean") return true;
    std::vector<Type> types;
    const LoopForm form = node.op->loop_form(view(plan_.graph, node, types));
    return walks_whole_axes(form.operands[0]) &&
           form.operands[0].axes.size() == types[0].shape.size();
  }

  void check_node(const Node& node) const {
    static const std::set<std::string_view> kOfBlocks = {"input", "load", "store", "after"};
    const OpDef& op = *node.op;
    const bool known = kOfBlocks.count(op.name) > 0 || is_elementwise(node) || folds_axes(node) ||
                       is_product(node) || op.move_form != nullptr;
    if (!known) fail(ErrorCode::kUnsupported, "{} inside a block on the CPU", op.name);
    for (const Type& type : node.types) {
      if (type.dtype == DType::kF64 || is_packed(type.dtype)) {
        fail(ErrorCode::kUnsupported, "{} of type {} inside a block on the CPU", op.name,
             traits(type.dtype).name);
      }
    }
    const DType dtype = node.types[0].dtype;
    static const std::set<std::string_view> kExact = {"add", "sub", "mul",    "neg",
                                                      "min", "max", "select", "abs"};
    // Integers are held as doubles, which is exact for positions and counts.
    if (!is_elementwise(node) || !traits(dtype).is_integer || op.name == "cast") return;
    if (dtype != DType::kI64 || kExact.count(op.name) == 0) {
      fail(ErrorCode::kUnsupported, "{} of {} inside a block on the CPU", op.name,
           traits(dtype).name);
    }
  }

  void set_phases() {
    const std::vector<bool> after = after_loop(plan_.graph);
    for (NodeId id = 0; id < plan_.count(); ++id) {
      const Node& node = plan_.node(id);
      BlockValue& value = plan_.value(id);
      if (after[static_cast<std::size_t>(id)]) {
        value.phase = Phase::kAfter;
        continue;
      }
      const bool moves = node.op->name == "load" || node.op->name == "store";
      if (plan_.is_state(id) || (moves && node.attrs.integer("loop") >= 0)) {
        value.phase = Phase::kLoop;
      }
      for (const Value& input : node.inputs) {
        value.phase = std::max(value.phase, plan_.value(input.node).phase);
      }
    }
    for (NodeId id = 0; id < plan_.count(); ++id) {
      if (plan_.value(id).phase != Phase::kAfter || plan_.node(id).op->name == "after") continue;
      for (const Value& input : plan_.node(id).inputs) {
        if (plan_.value(input.node).phase != Phase::kLoop) continue;
        fail(ErrorCode::kUnsupported, "block: '{}' follows the loop but reads '{}' inside it",
             plan_.node(id).name, plan_.node(input.node).name);
      }
    }
  }

  int add_cut(Cut cut) {
    const Dim tiles = (cut.grid >= 0 ? plan_.grid[static_cast<std::size_t>(cut.grid)] : Dim(1)) *
                      (cut.loop ? plan_.iterations : Dim(1));
    cut.ragged = !never_negative(cut.whole - cut.tile * tiles);
    const auto found = std::find(plan_.cuts.begin(), plan_.cuts.end(), cut);
    if (found != plan_.cuts.end()) return static_cast<int>(found - plan_.cuts.begin());
    plan_.cuts.push_back(cut);
    return static_cast<int>(plan_.cuts.size()) - 1;
  }

  // The cut of every axis of a load or store, -1 for none; ragged or not.
  std::vector<int> axis_cuts(const Node& node, const Dims& whole, const Dims& tile) {
    const std::vector<std::int64_t> grid = node.attrs.integers("grid");
    const std::int64_t loop = node.attrs.integer("loop");
    std::vector<int> result(whole.size(), -1);
    for (std::size_t axis = 0; axis < whole.size(); ++axis) {
      Cut cut{tile[axis], whole[axis]};
      for (std::size_t d = 0; d < grid.size(); ++d) {
        if (grid[d] == static_cast<std::int64_t>(axis)) cut.grid = static_cast<int>(d);
      }
      cut.loop = loop == static_cast<std::int64_t>(axis);
      if (cut.grid >= 0 || cut.loop) result[axis] = add_cut(cut);
    }
    return result;
  }

  int ragged_only(int cut) const {
    return cut >= 0 && plan_.cuts[static_cast<std::size_t>(cut)].ragged ? cut : -1;
  }

  void set_cuts() {
    for (NodeId id = 0; id < plan_.count(); ++id) {
      const Node& node = plan_.node(id);
      std::vector<int>& cuts = plan_.value(id).cuts;
      if (node.op->name == "input") {
        if (cuts.empty()) cuts.assign(plan_.shape(id).size(), is_state(id) ? kUnknownCut : -1);
      } else if (node.op->name == "load") {
        const Dims& whole = plan_.shape(node.inputs[0].node);
        cuts = axis_cuts(node, whole, node.attrs.dims("tile"));
        for (int& cut : cuts) cut = ragged_only(cut);
      } else if (node.op->name == "store" || node.op->name == "after") {
        cuts = plan_.value(node.inputs[0].node).cuts;
      } else if (is_elementwise(node)) {
        cuts = broadcast_cuts(node, plan_.shape(id));
      } else if (node.op->loop_form != nullptr || node.op->name == "mean") {
        cuts = loop_cuts(node);
      } else {
        cuts = is_gather(node) ? gather_cuts(plan_, id) : move_cuts(node);
      }
    }
    for (const Update& update : plan_.graph.updates) {
      plan_.value(update.state).cuts = plan_.value(update.next.node).cuts;
    }
  }
  bool is_state(NodeId id) const { return states_.count(id) > 0; }

  // Of two cuts of the same axis the known, ragged one.
  static int meet(int a, int b) {
    if (a == kUnknownCut || a == -1) return b == kUnknownCut ? a : b;
    return a;
  }

  std::vector<int> broadcast_cuts(const Node& node, const Dims& shape) const {
    std::vector<int> cuts(shape.size(), kUnknownCut);
    for (const Value& input : node.inputs) {
      const Dims& from = plan_.shape(input.node);
      const std::size_t skip = shape.size() - from.size();
      for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i] == Dim(1) && shape[skip + i] != Dim(1)) continue;
        cuts[skip + i] = meet(cuts[skip + i], plan_.value(input.node).cuts[i]);
      }
    }
    return cuts;
  }

  // Through the loops: an output axis is as long as an operand axis that its loop indexes.
  std::vector<int> loop_cuts(const Node& node) const {
    std::vector<Type> types;
    const NodeView seen = view(plan_.graph, node, types);
    const LoopForm form = find_op(node.op->name == "mean" ? "sum" : node.op->name).loop_form(seen);
    std::vector<int> cuts(static_cast<std::size_t>(form.output_rank), kUnknownCut);
    for (std::size_t k = 0; k < form.operands.size(); ++k) {
      const auto& axes = form.operands[k].axes;
      for (std::size_t a = 0; a < axes.size(); ++a) {
        if (axes[a].loops.size() != 1 || axes[a].loops[0].loop >= form.output_rank) continue;
        int& cut = cuts[static_cast<std::size_t>(axes[a].loops[0].loop)];
        cut = meet(cut, plan_.value(node.inputs[k].node).cuts[a]);
      }
    }
    return cuts;
  }

  std::vector<int> move_cuts(const Node& node) const {
    std::vector<int> cuts(node.types[0].shape.size(), -1);
    if (node.inputs.empty()) return cuts;
    const NodeId from = node.inputs[0].node;
    for (std::size_t axis = 0; axis < cuts.size(); ++axis) {
      const int source = source_axis(plan_.graph, node, static_cast<int>(axis));
      if (source >= 0) cuts[axis] = plan_.value(from).cuts[static_cast<std::size_t>(source)];
    }
    return cuts;
  }

  void find_accumulations() {
    for (const Update& update : plan_.graph.updates) {
      const Node& next = plan_.node(update.next.node);
      std::optional<Accumulation> found;
      for (std::size_t k = 0; k < 2 && !found; ++k) {
        if (next.op->name != "add" || reader_count(update.next.node) != 1) break;
        const NodeId product = next.inputs[k].node;
        const bool fits = is_product(plan_.node(product)) && reader_count(product) == 1 &&
                          plan_.shape(product) == plan_.shape(update.state) &&
                          plan_.value(product).phase == Phase::kLoop &&
                          plan_.shape(next.inputs[1 - k].node) == plan_.shape(update.state);
        if (fits) found = Accumulation{product, next.inputs[1 - k]};
      }
      plan_.accumulations.push_back(found);
    }
  }

  void finish_accumulations() {
    for (std::size_t u = 0; u < plan_.accumulations.size(); ++u) {
      if (!plan_.accumulations[u]) continue;
      const NodeId state = plan_.graph.updates[u].state;
      finish_product(plan_.accumulations[u]->product, plan_.value(state).place);
    }
  }

  std::size_t reader_count(NodeId id) const {
    std::size_t count = readers_[static_cast<std::size_t>(id)].size();
    for (const Update& update : plan_.graph.updates) count += update.next.node == id;
    return count;
  }

  void set_form(NodeId id) {
    const Node& node = plan_.node(id);
    BlockValue& value = plan_.value(id);
    for (int& cut : value.cuts) cut = std::max(cut, -1);
    if (node.op->name == "input") {
      if (is_state(id)) computed(id, "state");
    } else if (node.op->name == "load") {
      set_load(id);
    } else if (node.op->name == "store") {
      set_store(id);
    } else if (node.op->name == "after") {
      require(is_state(node.inputs[0].node), "block: after '{}', which is not a state",
              plan_.node(node.inputs[0].node).name);
      value.form = Form::kMemory;
      value.place = plan_.value(node.inputs[0].node).place;
    } else if (is_elementwise(node) || is_gather(node)) {
      if (is_gather(node)) check_gather(plan_, id);
      if (wants_memory(id)) {
        computed(id, "t");
      } else {
        value.form = Form::kInline;
      }
    } else if (is_fold(node)) {
      computed(id, "t");
    } else if (is_product(node)) {
      if (plan_.is_accumulated(id)) return;
      computed(id, "t");
      finish_product(id, value.place);
    } else if (node.op->move_form != nullptr) {
      set_move(id);
    }
  }

  void computed(NodeId id, std::string_view prefix) {
    BlockValue& value = plan_.value(id);
    const DType dtype = plan_.node(id).types[0].dtype;
    if (traits(dtype).is_integer && dtype != DType::kI8 && dtype != DType::kU8) {
      fail(ErrorCode::kUnsupported, "block: {} of '{}' kept in a tile", traits(dtype).name,
           plan_.node(id).name);
    }
    value.form = Form::kMemory;
    value.computed = true;
    value.place = tile(id, fmt::format("{}{}", prefix, id));
  }

  // Row-major, rows padded to whole panels so that vectors and tiles may run over their ends.
  Place tile(NodeId id, const std::string& name) {
    const Dims& shape = plan_.shape(id);
    const int panel = TileShape(context_.target).panel();
    Place place;
    place.pointer = name;
    place.strides.assign(shape.size(), Dim(1));
    place.scratch = true;
    place.owner = id;
    Dim step = 1;
    bool last = true;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      place.strides[axis] = step;
      if (shape[axis] == Dim(1)) continue;
      step = step * (last ? ceil_div(shape[axis], Dim(panel)) * Dim(panel) : shape[axis]);
      last = false;
    }
    plan_.reserve(name, last ? Dim(panel) : step);
    return place;
  }

  void set_load(NodeId id) {
    const Node& node = plan_.node(id);
    BlockValue& value = plan_.value(id);
    const NodeId whole = node.inputs[0].node;
    const int input = plan_.input_index[static_cast<std::size_t>(whole)];
    require(input >= 0, "block: load of '{}', which is not an input", plan_.node(whole).name);
    Place place;
    place.pointer = fmt::format("in{}", input);
    place.dtype = node.types[0].dtype;
    place.strides = dim_strides(plan_.shape(whole));
    place.owner = id;
    place.input = input;
    const std::vector<int> cuts = axis_cuts(node, plan_.shape(whole), node.attrs.dims("tile"));
    for (std::size_t axis = 0; axis < cuts.size(); ++axis) {
      place.input_axis.push_back(static_cast<int>(axis));
      if (cuts[axis] < 0) continue;
      place.offsets.push_back({cuts[axis], place.strides[axis], static_cast<int>(axis)});
      plan_.loaded_cuts.insert(cuts[axis]);
    }
    value.form = Form::kMemory;
    value.place = std::move(place);
    copy_if_factor(id);
  }

  // `place` of a store is where its tile goes in the output.
  void set_store(NodeId id) {
    const Node& node = plan_.node(id);
    const Dims& whole = node.types[0].shape;
    const NodeId tile = node.inputs[0].node;
    Place& place = plan_.value(id).place;
    const auto& outputs = plan_.graph.outputs;
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      if (outputs[k].value.node == id) place.pointer = fmt::format("out{}", k);
    }
    place.dtype = node.types[0].dtype;
    place.strides = dim_strides(whole);
    const std::vector<int> cuts = axis_cuts(node, whole, plan_.shape(tile));
    for (std::size_t axis = 0; axis < cuts.size(); ++axis) {
      if (cuts[axis] < 0) continue;
      place.offsets.push_back({cuts[axis], place.strides[axis], -1});
      const bool clipped = ragged_only(cuts[axis]) < 0 || plan_.value(tile).cuts[axis] >= 0;
      require(clipped, "block: '{}' stores whole tiles where the last ones are shorter", node.name);
    }
  }

  void set_move(NodeId id) {
    const Node& node = plan_.node(id);
    BlockValue& value = plan_.value(id);
    if (!node.inputs.empty() && plan_.value(node.inputs[0].node).form == Form::kNumber) {
      const BlockValue& from = plan_.value(node.inputs[0].node);
      value.form = Form::kNumber;
      value.start = from.start;
      value.size = from.size;
      return;
    }
    const Copy copy = only_copy(plan_.graph, node);
    if (copy.operand >= 0) {
      const BlockValue& from = plan_.value(node.inputs[0].node);
      if (from.form != Form::kMemory) {
        fail(ErrorCode::kUnsupported, "block: {} of '{}'", node.op->name,
             plan_.node(node.inputs[0].node).name);
      }
      value.form = Form::kMemory;
      value.place = view_place(plan_.graph, node, from);
      copy_if_factor(id);
      return;
    }
    value.start = copy.fill;
    value.size = copy.fill_size;
    if (copy.operand == Copy::kFill) {
      value.form = Form::kNumber;
    } else if (copy.operand == Copy::kIndex) {
      value.form = Form::kCounter;
      value.step = copy.step;
      for (std::size_t a = 0; a < copy.to.axes.size(); ++a) {
        if (loop_of(copy, static_cast<int>(a)) == 0) value.counter_axis = static_cast<int>(a);
      }
    }
  }

  bool wants_memory(NodeId id) const {
    const Node& node = plan_.node(id);
    // Positions have no tile to lie in, and cost nothing to compute again.
    if (node.types[0].dtype == DType::kI64) return false;
    std::size_t uses = 0;
    for (const NodeId reader : readers_[static_cast<std::size_t>(id)]) {
      const Node& user = plan_.node(reader);
      if (is_product(user) || user.op->move_form != nullptr) return true;
      if (plan_.value(reader).phase != plan_.value(id).phase) return true;
      if (repeats_rows(id, reader)) return true;
      ++uses;
    }
    for (std::size_t u = 0; u < plan_.graph.updates.size(); ++u) {
      uses += plan_.graph.updates[u].next.node == id;
    }
    return uses > 1 || compares_integers(node);
  }

  // True when `reader` would compute `id` again for rows beyond its own.
  bool repeats_rows(NodeId id, NodeId reader) const {
    const Dims& from = plan_.shape(id);
    const Dims& to = plan_.shape(reader);
    if (!is_elementwise(plan_.node(reader)) || product(from) == Dim(1)) return false;
    const std::size_t skip = to.size() - from.size();
    for (std::size_t i = 0; i + 1 < to.size(); ++i) {
      if (to[i] != Dim(1) && (i < skip || from[i - skip] != to[i])) return true;
    }
    return false;
  }

  // Masks made from positions run in double, which is no place for the floats they mask.
  bool compares_integers(const Node& node) const {
    if (node.types[0].dtype != DType::kBool) return false;
    return std::any_of(node.inputs.begin(), node.inputs.end(), [&](const Value& v) {
      const DType dtype = plan_.graph.type(v).dtype;
      return dtype == DType::kI64 || dtype == DType::kI32;
    });
  }

  // A load or view that is the left factor of a product is copied to scratch, as floats whose rows
  // neither alias in the caches nor spread over many pages.
  void copy_if_factor(NodeId id) {
    BlockValue& value = plan_.value(id);
    const bool factor = std::any_of(
        readers_[static_cast<std::size_t>(id)].begin(),
        readers_[static_cast<std::size_t>(id)].end(),
        [&](NodeId reader) { return is_product(plan_.node(reader)) && left_factor(reader) == id; });
    if (!factor) return;
    const Dims& strides = value.place.strides;
    if (value.place.scratch && (strides.empty() || strides.back() == Dim(1))) return;
    value.source = value.place;
    value.computed = true;
    value.place = tile(id, fmt::format("t{}", id));
  }

  // The operand whose rows a product walks.
  NodeId left_factor(NodeId product) const {
    const BlockProduct& found = plan_.products.at(product);
    return plan_.node(product).inputs[static_cast<std::size_t>(found.loops.a)].node;
  }

  // A product with at most one loop each for rows, columns and the sum.
  void find_product(NodeId id) {
    std::vector<Type> types;
    const NodeView seen = view(plan_.graph, plan_.node(id), types);
    BlockProduct product{.form = seen.op.loop_form(seen)};
    const std::optional<ProductLoops> loops = product_loops(product.form);
    bool plain = loops && loops->k.size() <= 1 &&
                 static_cast<std::size_t>(product.form.output_rank) == plan_.shape(id).size();
    for (const Access& access : product.form.operands) plain = plain && walks_whole_axes(access);
    if (!plain) {
      fail(ErrorCode::kUnsupported, "block: {} of {} and {}", seen.op.name, to_string(types[0]),
           to_string(types[1]));
    }
    product.loops = *loops;
    for (auto* side : {&product.loops.m, &product.loops.n}) {
      while (side->size() > 1) {
        product.loops.batch.push_back(side->front());
        side->erase(side->begin());
      }
    }
    plan_.products.emplace(id, std::move(product));
  }

  static bool walks_whole_axes(const Access& access) {
    return !access.flat &&
           std::all_of(access.axes.begin(), access.axes.end(), [](const AxisIndex& axis) {
             return axis.indirect.empty() && axis.offset == Dim(0) && axis.loops.size() <= 1 &&
                    (axis.loops.empty() || axis.loops[0].coefficient == Dim(1));
           });
  }

  void finish_product(NodeId id, const Place& out) {
    BlockProduct& product = plan_.products.at(id);
    const Node& node = plan_.node(id);
    const auto strides = [&](int operand) {
      const NodeId from = node.inputs[static_cast<std::size_t>(operand)].node;
      if (plan_.value(from).form != Form::kMemory) {
        fail(ErrorCode::kUnsupported, "block: {} of '{}'", node.op->name, plan_.node(from).name);
      }
      return loop_strides(product.form, operand, plan_.value(from).place);
    };
    product.strides_a = strides(product.loops.a);
    product.strides_b = strides(product.loops.b);
    product.strides_out.assign(product.form.extents.size(), Dim(0));
    for (std::size_t l = 0; l < out.strides.size(); ++l) product.strides_out[l] = out.strides[l];
    product.packed_at_load =
        can_pack(product, node.inputs[static_cast<std::size_t>(product.loops.b)].node);
    if (product.packed_at_load) return;
    const auto& batch = product.loops.batch;
    product.in_strips = std::all_of(batch.begin(), batch.end(), [&](int l) {
      return product.form.extents[static_cast<std::size_t>(l)] == Dim(1) ||
             uses(product.form.operands[static_cast<std::size_t>(product.loops.b)], l);
    });
    const int panel = TileShape(context_.target).panel();
    const Dim columns = ceil_div(product_extent(product, product.loops.n), Dim(panel)) * Dim(panel);
    const Dim rows = product_extent(product, product.loops.k);
    plan_.reserve(fmt::format("pack{}", id),
                  product.in_strips ? Dim(kStripDepth * panel) : rows * columns);
  }

  static Dim product_extent(const BlockProduct& product, const std::vector<int>& loops) {
    return lamina::cpu::product(extents_of(product.form, loops));
  }

  static Dims loop_strides(const LoopForm& form, int operand, const Place& place) {
    Dims strides(form.extents.size(), Dim(0));
    const Access& access = form.operands[static_cast<std::size_t>(operand)];
    for (std::size_t a = 0; a < access.axes.size(); ++a) {
      for (const auto& term : access.axes[a].loops) {
        Dim& stride = strides[static_cast<std::size_t>(term.loop)];
        stride = stride + term.coefficient * place.strides[a];
      }
    }
    return strides;
  }

  // True when b is cut from a constant input at whole panels.
  bool can_pack(BlockProduct& product, NodeId b) const {
    const Place& place = plan_.value(b).place;
    if (place.input < 0 || !context_.constant_inputs[static_cast<std::size_t>(place.input)]) {
      return false;
    }
    product.packed_k = walked_axis(product, place, product.loops.k);
    product.packed_n = walked_axis(product, place, product.loops.n);
    if (product.packed_k < 0 || product.packed_n < 0) return false;
    const int panel = TileShape(context_.target).panel();
    for (const Place::Offset& offset : place.offsets) {
      if (offset.axis != product.packed_n) continue;
      const Cut& cut = plan_.cuts[static_cast<std::size_t>(offset.cut)];
      if (!cut.tile.is_constant() || cut.tile.constant_part() % panel != 0) return false;
    }
    return true;
  }

  // The axis of b's input that the only loop of `loops` walks.
  static int walked_axis(const BlockProduct& product, const Place& place,
                         const std::vector<int>& loops) {
    const Access& access = product.form.operands[static_cast<std::size_t>(product.loops.b)];
    for (std::size_t a = 0; a < access.axes.size(); ++a) {
      const auto& terms = access.axes[a].loops;
      if (terms.size() == 1 && loops.size() == 1 && terms[0].loop == loops[0]) {
        return place.input_axis[a];
      }
    }
    return -1;
  }

  // The states whose present value the update still reads when it is written.
  void states_read(NodeId id, std::set<NodeId>& read) const {
    if (is_state(id)) read.insert(id);
    const BlockValue& value = plan_.value(id);
    const bool view = value.form == Form::kMemory && !value.computed;
    if (value.form != Form::kInline && !view && !plan_.is_accumulated(id)) return;
    for (const Value& input : plan_.node(id).inputs) states_read(input.node, read);
  }

  void order_updates() {
    const auto& updates = plan_.graph.updates;
    std::vector<bool> done(updates.size(), false);
    while (plan_.update_order.size() < updates.size()) {
      const std::size_t before = plan_.update_order.size();
      for (std::size_t u = 0; u < updates.size(); ++u) {
        if (done[u] || is_read_by_others(u, done)) continue;
        done[u] = true;
        plan_.update_order.push_back(u);
      }
      if (plan_.update_order.size() > before) continue;
      fail(ErrorCode::kUnsupported, "block: states that exchange their values");
    }
  }

  bool is_read_by_others(std::size_t u, const std::vector<bool>& done) const {
    const auto& updates = plan_.graph.updates;
    for (std::size_t v = 0; v < updates.size(); ++v) {
      if (v == u || done[v]) continue;
      std::set<NodeId> read;
      states_read(updates[v].next.node, read);
      if (read.count(updates[u].state) > 0) return true;
    }
    return false;
  }

  const EmitContext& context_;
  BlockPlan plan_;
  std::set<NodeId> states_;
  std::vector<std::vector<NodeId>> readers_;
};

}  // namespace

bool BlockPlan::is_state(NodeId id) const {
  const Input* input = graph.input(id);
  return input != nullptr && input->role == Role::kState;
}

bool BlockPlan::is_accumulated(NodeId id) const {
  return std::any_of(accumulations.begin(), accumulations.end(),
                     [&](const auto& found) { return found && found->product == id; });
}

void BlockPlan::reserve(const std::string& name, const Dim& floats) {
  const Dim rounded = ceil_div(floats, Dim(16)) * Dim(16);
  scratch.push_back({name, scratch_floats, rounded});
  scratch_floats = scratch_floats + rounded;
}

Dim BlockPlan::size_of(const std::string& name) const {
  for (const Scratch& piece : scratch) {
    if (piece.name == name) return piece.floats;
  }
  fail(ErrorCode::kInternal, "block: no scratch is called '{}'", name);
}

std::string BlockPlan::extent(NodeId id, std::size_t axis, std::vector<std::string>& sizes) const {
  const int cut = value(id).cuts[axis];
  return cut >= 0 ? fmt::format("e{}", cut) : dim_text(shape(id)[axis], sizes);
}

BlockPlan plan_block(const EmitContext& context) { return Planner(context).plan(); }

bool is_elementwise(const Node& node) { return node.op->scalar.code != nullptr; }

bool is_fold(const Node& node) {
  return node.op->name == "mean" ||
         (node.op->kind == Kind::kReduce && node.op->loop_form != nullptr);
}

bool is_product(const Node& node) {
  return node.op->kind == Kind::kContract && node.op->loop_form != nullptr;
}

std::string base_text(const Place& place, std::vector<std::string>& sizes) {
  std::string text = place.pointer;
  for (const Place::Offset& offset : place.offsets) {
    const std::string factor = offset.cut < 0 ? "" : fmt::format("s{} * ", offset.cut);
    text += " + " + factor + dim_text(offset.stride, sizes);
  }
  return "(" + text + ")";
}

Dims broadcast_place_strides(const Place& place, const Dims& from, const Dims& to) {
  Dims strides(to.size(), Dim(0));
  const std::size_t skip = to.size() - from.size();
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] != Dim(1)) strides[skip + i] = place.strides[i];
  }
  return strides;
}

}  // namespace lamina::cpu
