// Layout of shared memory.
#include "exec/cuda/block_tiles.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "exec/cpu/block_gather.h"
#include "exec/cpu/block_views.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cuda {
namespace {

using Form = cpu::BlockValue::Form;
using cpu::BlockPlan;
using cpu::BlockValue;
using cpu::Phase;
using cpu::Place;

// Rows begin at multiples of 16 bytes, an odd number of these apart: any eight rows then lie in
// different banks.
constexpr std::int64_t kUnit = 16;

// Of the pieces of a product's factors, the best first.
constexpr std::array<std::int64_t, 4> kDepths = {256, 128, 64, 32};

std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

// Elements from row to row, `unit` of which fill 16 bytes.
std::int64_t row_of(std::int64_t elements, std::int64_t unit) {
  return (round_up(elements, unit) / unit | 1) * unit;
}

class Planner {
 public:
  explicit Planner(const TileRequest& request) : request_(request) {
    // The CPU's planner packs nothing for inputs that it does not know to be constant.
    const cpu::EmitContext context{
        request.node, {}, std::vector<bool>(request.node.inputs.size(), false), cpu::Target{}};
    tiles_.plan = cpu::plan_block(context);
  }

  BlockTiles run() {
    const std::vector<NodeId> wanted = loads_worth_a_copy();
    tiles_.warps = choose_warps();
    for (const int buffers : {2, 1}) {
      if (fits(wanted, buffers)) return finish(wanted, buffers);
    }
    return with_fewer_loads(wanted);
  }

 private:
  BlockPlan& plan() { return tiles_.plan; }
  std::int64_t limit() const { return request_.machine.shared_bytes_per_block; }

  // More warps where there are more pieces of 16 x 8 (products) or elements to share.
  int choose_warps() {
    std::int64_t most = 1;
    for (const auto& [id, product] : plan().products) {
      const Dims& shape = plan().shape(id);
      std::int64_t rows = 1;
      for (std::size_t a = 0; a + 1 < shape.size(); ++a) rows *= constant_of(shape[a], "a tile");
      const std::int64_t columns = shape.empty() ? 1 : constant_of(shape.back(), "a tile");
      most = std::max(most, ((rows + 15) / 16) * ((columns + 7) / 8));
    }
    if (plan().products.empty()) most = kPiecesWithoutProducts;
    int warps = 1;
    while (warps < most && warps * 2 * 32 <= request_.machine.threads_per_block / 4) warps *= 2;
    return warps;
  }

  std::vector<NodeId> loads_worth_a_copy() {
    std::vector<int> reads(plan().graph.nodes.size(), 0);
    for (NodeId id = plan().count(); id-- > 0;) {
      const Node& node = plan().node(id);
      const bool view = plan().value(id).form == Form::kMemory && node.op->move_form != nullptr &&
                        !cpu::is_gather(node);
      for (const Value& input : node.inputs) {
        int& count = reads[static_cast<std::size_t>(input.node)];
        const int by_product = passes_in_pieces(id) ? 0 : 2;
        count += cpu::is_product(node) ? by_product
                 : view                ? reads[static_cast<std::size_t>(id)]
                                       : 1;
      }
    }
    std::vector<NodeId> wanted;
    for (NodeId id = 0; id < plan().count(); ++id) {
      if (plan().node(id).op->name != "load") continue;
      const bool looped = plan().value(id).phase == Phase::kLoop && plan().iterations != Dim(1);
      if (!looped && reads[static_cast<std::size_t>(id)] < 2) continue;
      if (tile_is_constant(id)) wanted.push_back(id);
    }
    return wanted;
  }

  // True for a product so deep that its factors are copied piece by piece (stage_product).
  bool passes_in_pieces(NodeId id) {
    const auto product = plan().products.find(id);
    if (product == plan().products.end()) return false;
    const auto depth = depth_of(product->second);
    return !depth || *depth > kDepths[0];
  }

  static std::optional<std::int64_t> depth_of(const cpu::BlockProduct& product) {
    return cpu::product(cpu::extents_of(product.form, product.loops.k)).constant();
  }

  bool tile_is_constant(NodeId id) {
    const Dims& shape = plan().shape(id);
    return std::all_of(shape.begin(), shape.end(), [](const Dim& d) { return d.is_constant(); });
  }

  // Dense but for the last axis that is longer than 1, whose rows are padded.
  Place place_of(NodeId id, const std::string& name, DType dtype) {
    const Dims& shape = plan().shape(id);
    const std::int64_t unit = kUnit / element_bytes(dtype);
    Place place;
    place.pointer = name;
    place.dtype = dtype;
    place.scratch = true;
    place.owner = id;
    place.strides.assign(shape.size(), Dim(1));
    std::int64_t step = 1;
    bool last = true;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      const std::int64_t size = constant_of(shape[axis], "a tile");
      place.strides[axis] = step;
      if (size == 1) continue;
      step *= last ? row_of(size, unit) : size;
      last = false;
    }
    return place;
  }

  static std::int64_t elements_of(const Place& place, const Dims& shape) {
    std::int64_t last = 0;
    for (std::size_t a = 0; a < shape.size(); ++a) {
      last += (shape[a].constant_part() - 1) * place.strides[a].constant_part();
    }
    // Copies in units may write the padding of the last row.
    return round_up(last + 1, kUnit / element_bytes(place.dtype));
  }

  void add_area(const Place& place, NodeId id, int buffers) {
    Area area{place.pointer, std::string(element_type(place.dtype)), tiles_.shared_bytes,
              elements_of(place, plan().shape(id)), buffers};
    tiles_.shared_bytes += round_up(area.elements * element_bytes(place.dtype) * buffers, kUnit);
    tiles_.areas[area.name] = area;
  }

  bool is_computed(NodeId id) {
    const BlockValue& value = plan().value(id);
    return value.form == Form::kMemory && value.computed && !value.source;
  }

  void place_all(const std::vector<NodeId>& staged, int loop_buffers) {
    tiles_.areas.clear();
    tiles_.staged.clear();
    tiles_.shared_bytes = round_up(tiles_.warps * static_cast<std::int64_t>(sizeof(double)), kUnit);
    tiles_.loop_buffers = plan().iterations == Dim(1) ? 1 : loop_buffers;
    for (NodeId id = 0; id < plan().count(); ++id) {
      if (!is_computed(id)) continue;
      add_area(place_of(id, fmt::format("t{}", id), DType::kF32), id, 1);
    }
    for (const NodeId id : staged) {
      const Place to = place_of(id, fmt::format("l{}", id), plan().node(id).types[0].dtype);
      add_area(to, id, plan().value(id).phase == Phase::kLoop ? tiles_.loop_buffers : 1);
      const BlockValue& value = plan().value(id);
      const Place& from = value.source ? *value.source : value.place;
      tiles_.staged[id] = {from, to, copy_bytes(id, from)};
    }
  }

  bool fits(const std::vector<NodeId>& staged, int loop_buffers) {
    place_all(staged, loop_buffers);
    return tiles_.shared_bytes <= limit();
  }

  // The largest tiles are read where they are.
  BlockTiles with_fewer_loads(std::vector<NodeId> staged) {
    const auto size = [&](NodeId id) {
      std::int64_t n = element_bytes(plan().node(id).types[0].dtype);
      for (const Dim& dim : plan().shape(id)) n *= dim.constant_part();
      return n;
    };
    std::stable_sort(staged.begin(), staged.end(),
                     [&](NodeId a, NodeId b) { return size(a) < size(b); });
    while (!staged.empty()) {
      staged.pop_back();
      for (const int buffers : {2, 1}) {
        if (fits(staged, buffers)) return finish(staged, buffers);
      }
    }
    fail(ErrorCode::kExhausted,
         "block: its tiles need {} bytes of shared memory, {} has {} for a block",
         tiles_.shared_bytes, request_.machine.name, limit());
  }

  // Bytes that a copy can move at once: 0 where the last axis is not dense.
  int copy_bytes(NodeId id, const Place& from) {
    const Dims& shape = plan().shape(id);
    return shape.empty() || from.strides.back() != Dim(1) ? 0 : aligned_bytes(from);
  }

  // A power of two that divides the addresses of all rows along the axis of stride 1; 0: below 4.
  int aligned_bytes(const Place& from) {
    const std::int64_t element = element_bytes(from.dtype);
    for (const std::int64_t bytes : {16, 8, 4}) {
      if (input_alignment(from) % bytes != 0) continue;
      const auto divides = [&](const Dim& stride) {
        const auto n = stride.constant();
        return n && *n * element % bytes == 0;
      };
      const auto fits = [&](const Place::Offset& offset) {
        if (offset.cut < 0) return divides(offset.stride);
        return divides(offset.stride * plan().cuts[static_cast<std::size_t>(offset.cut)].tile);
      };
      const bool all = std::all_of(from.strides.begin(), from.strides.end(),
                                   [&](const Dim& d) { return d == Dim(1) || divides(d); }) &&
                       std::all_of(from.offsets.begin(), from.offsets.end(), fits);
      if (all) return static_cast<int>(bytes);
    }
    return 0;
  }

  // Of a view whose input is not known any more: the least of all inputs.
  std::int64_t input_alignment(const Place& from) const {
    const auto& known = request_.alignments;
    if (known.empty()) return kUnit;
    return from.input >= 0 ? known[static_cast<std::size_t>(from.input)]
                           : *std::min_element(known.begin(), known.end());
  }

  BlockTiles finish(const std::vector<NodeId>& staged, int loop_buffers) {
    place_all(staged, loop_buffers);
    for (NodeId id = 0; id < plan().count(); ++id) set_place(id);
    for (auto& [id, product] : plan().products) set_strides(id, product);
    for (const auto& [id, product] : plan().products) stage_product(id, product);
    return std::move(tiles_);
  }

  void set_place(NodeId id) {
    const Node& node = plan().node(id);
    BlockValue& value = plan().value(id);
    if (value.form != Form::kMemory) return;
    if (const auto staged = tiles_.staged.find(id); staged != tiles_.staged.end()) {
      value.place = staged->second.to;
    } else if (node.op->name == "load") {
      if (value.source) value.place = *value.source;
    } else if (node.op->name == "after") {
      value.place = plan().value(node.inputs[0].node).place;
    } else if (node.op->move_form != nullptr && !cpu::is_gather(node)) {
      value.place = cpu::view_place(plan().graph, node, plan().value(node.inputs[0].node));
    } else {
      value.place = place_of(id, fmt::format("t{}", id), DType::kF32);
      return;
    }
    value.computed = false;
    value.source.reset();
  }

  Dims strides_of(const cpu::BlockProduct& product, NodeId id, int operand) {
    const auto k = static_cast<std::size_t>(operand);
    const Place& place = plan().value(plan().node(id).inputs[k].node).place;
    Dims strides(product.form.extents.size(), Dim(0));
    const auto& axes = product.form.operands[k].axes;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      for (const auto& term : axes[a].loops) {
        Dim& stride = strides[static_cast<std::size_t>(term.loop)];
        stride = stride + term.coefficient * place.strides[a];
      }
    }
    return strides;
  }

  void set_strides(NodeId id, cpu::BlockProduct& product) {
    product.strides_a = strides_of(product, id, product.loops.a);
    product.strides_b = strides_of(product, id, product.loops.b);
  }

  // Factors in device memory pass through buffers as deep as fit.
  void stage_product(NodeId id, const cpu::BlockProduct& product) {
    if (product.loops.k.size() != 1) return;
    const auto whole = depth_of(product);
    for (const std::int64_t depth : kDepths) {
      if (whole && depth > kDepths.back() && depth >= 2 * *whole) continue;
      const std::int64_t before = tiles_.shared_bytes;
      StagedProduct staged{depth, stage_factor(id, true, depth), stage_factor(id, false, depth)};
      if (!staged.a && !staged.b) return;
      if (tiles_.shared_bytes <= limit()) {
        tiles_.products[id] = std::move(staged);
        return;
      }
      tiles_.shared_bytes = before;
      for (const auto& factor : {staged.a, staged.b}) {
        if (factor) tiles_.areas.erase(factor->area);
      }
    }
  }

  std::optional<StagedFactor> stage_factor(NodeId id, bool is_a, std::int64_t depth) {
    const cpu::BlockProduct& product = plan().products.at(id);
    const auto operand = static_cast<std::size_t>(is_a ? product.loops.a : product.loops.b);
    const NodeId from = plan().node(id).inputs[operand].node;
    const Place& place = plan().value(from).place;
    const std::vector<int>& own = is_a ? product.loops.m : product.loops.n;
    const Dims& strides = is_a ? product.strides_a : product.strides_b;
    if (place.scratch || own.size() != 1) return std::nullopt;
    const auto k = static_cast<std::size_t>(product.loops.k[0]);
    const auto across = static_cast<std::size_t>(own[0]);
    const auto count = product.form.extents[across].constant();
    const bool along_k = strides[k] == Dim(1);
    if (!count || (!along_k && strides[across] != Dim(1))) return std::nullopt;
    const std::int64_t unit = kUnit / element_bytes(place.dtype);
    const std::int64_t rows = along_k ? *count : depth, columns = along_k ? depth : *count;
    StagedFactor factor{fmt::format("{}{}", is_a ? "fa" : "fb", id), along_k, row_of(columns, unit),
                        aligned_bytes(place)};
    const std::int64_t elements = rows * factor.row;
    constexpr int kBuffers = 2;
    tiles_.areas[factor.area] = {factor.area, std::string(element_type(place.dtype)),
                                 tiles_.shared_bytes, elements, kBuffers};
    tiles_.shared_bytes += round_up(elements * element_bytes(place.dtype) * kBuffers, kUnit);
    return factor;
  }

  static constexpr std::int64_t kPiecesWithoutProducts = 8;

  const TileRequest& request_;
  BlockTiles tiles_;
};

}  // namespace

BlockTiles plan_tiles(const TileRequest& request) { return Planner(request).run(); }

std::string_view element_type(DType dtype) { return cpu::storage_type(dtype); }

std::int64_t element_bytes(DType dtype) {
  check(!is_packed(dtype), "tiles of {}", traits(dtype).name);
  return traits(dtype).block_bytes;
}

std::int64_t constant_of(const Dim& dim, std::string_view what) {
  const auto n = dim.constant();
  if (!n) {
    fail(ErrorCode::kUnsupported, "{} of {} elements, which depends on a named size, on a GPU",
         what, dim.to_string());
  }
  return *n;
}

}  // namespace lamina::cuda
