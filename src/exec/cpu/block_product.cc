// Products of tiles: b comes from panels packed at load, or is packed into scratch first.
#include "exec/cpu/block_product.h"

#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cpu {

namespace {

bool uses_b(const BlockProduct& product, int loop) {
  return uses(product.form.operands[static_cast<std::size_t>(product.loops.b)], loop);
}

}  // namespace

// The length of a loop now, from the operand axis that it walks.
std::string ProductWriter::loop_extent(NodeId id, int loop) {
  const BlockProduct& product = plan_.products.at(id);
  std::string extent = text(product.form.extents[static_cast<std::size_t>(loop)]);
  for (std::size_t k = 0; k < product.form.operands.size(); ++k) {
    const NodeId operand = plan_.node(id).inputs[k].node;
    const auto& axes = product.form.operands[k].axes;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const bool walks = !axes[a].loops.empty() && axes[a].loops[0].loop == loop;
      if (walks && plan_.value(operand).cuts[a] >= 0) {
        extent = plan_.extent(operand, a, kernel_.sizes);
      }
    }
  }
  return extent;
}

std::string ProductWriter::offset(const Dims& strides, const std::vector<int>& loops) {
  std::string out;
  for (const int l : loops) {
    const Dim& stride = strides[static_cast<std::size_t>(l)];
    if (stride != Dim(0)) out += fmt::format(" + {} * i{}", text(stride), l);
  }
  return out;
}

std::string ProductWriter::step(const Dims& strides, const std::vector<int>& loops) {
  return loops.empty() ? "0L" : text(strides[static_cast<std::size_t>(loops[0])]);
}

std::string ProductWriter::open(NodeId id, const std::vector<int>& loops) {
  std::string out;
  for (const int l : loops) {
    out += fmt::format("for (long i{0} = 0; i{0} < {1}; ++i{0}) {{\n", l, loop_extent(id, l));
  }
  return out;
}

// `b` in panels that were packed at load: the axes of the input other than k and n are its batch.
std::string ProductWriter::packed_text(NodeId id) {
  const BlockProduct& product = plan_.products.at(id);
  const NodeId b = plan_.node(id).inputs[static_cast<std::size_t>(product.loops.b)].node;
  const Place& place = plan_.value(b).place;
  const auto input = static_cast<std::size_t>(place.input);
  const Type& type = context_.node.inputs[input];
  PackRequest pack;
  pack.input = place.input;
  pack.panel = shape_.panel();
  pack.dtype = type.dtype == DType::kBF16 ? DType::kBF16 : DType::kF32;
  pack.access.axes.resize(type.shape.size());
  std::vector<std::string> start(type.shape.size(), "0L");
  for (const Place::Offset& at : place.offsets) {
    start[static_cast<std::size_t>(at.axis)] = fmt::format("s{}", at.cut);
  }
  const Access& access = product.form.operands[static_cast<std::size_t>(product.loops.b)];
  std::string batch = "0L";
  for (std::size_t axis = 0; axis < type.shape.size(); ++axis) {
    if (static_cast<int>(axis) == product.packed_k || static_cast<int>(axis) == product.packed_n) {
      continue;
    }
    std::string index = start[axis];
    for (std::size_t a = 0; a < access.axes.size(); ++a) {
      if (place.input_axis[a] != static_cast<int>(axis) || access.axes[a].loops.empty()) continue;
      const int loop = access.axes[a].loops[0].loop;
      if (product.form.extents[static_cast<std::size_t>(loop)] != Dim(1)) {
        index += fmt::format(" + i{}", loop);
      }
    }
    batch = fmt::format("({} * {} + {})", batch, text(type.shape[axis]), index);
    pack.access.axes[axis] = AxisIndex::of(static_cast<int>(pack.batch.size()));
    pack.batch.push_back(type.shape[axis]);
  }
  const auto k = static_cast<std::size_t>(product.packed_k);
  const auto n = static_cast<std::size_t>(product.packed_n);
  pack.access.axes[k] = AxisIndex::of(static_cast<int>(pack.batch.size()));
  pack.access.axes[n] = AxisIndex::of(static_cast<int>(pack.batch.size()) + 1);
  pack.k = {type.shape[k]};
  pack.n = {type.shape[n]};
  const std::string panels = text(ceil_div(type.shape[n], Dim(shape_.panel())));
  std::string out = fmt::format(
      "const long panel_step = {0} * {1};\n"
      "const auto* b = packed{2} + ({3} * {4} + {5} / {1}) * panel_step + ({6}) * {1};\n",
      text(type.shape[k]), shape_.panel(), kernel_.packs.size(), batch, panels, start[n], start[k]);
  for (std::size_t i = 0; i < kernel_.packs.size(); ++i) {
    const PackRequest& other = kernel_.packs[i];
    if (other.input != pack.input || other.k != pack.k || other.n != pack.n ||
        other.access.axes[k].loops[0].loop != pack.access.axes[k].loops[0].loop) {
      continue;
    }
    const std::string mine = fmt::format("packed{} ", kernel_.packs.size());
    return out.replace(out.find(mine), mine.size(), fmt::format("packed{} ", i));
  }
  kernel_.packs.push_back(std::move(pack));
  return out;
}

std::string ProductWriter::packing_text(NodeId id) {
  const BlockProduct& product = plan_.products.at(id);
  const NodeId b = plan_.node(id).inputs[static_cast<std::size_t>(product.loops.b)].node;
  std::vector<int> batch;
  for (const int l : product.loops.batch) {
    if (uses_b(product, l)) batch.push_back(l);
  }
  const std::string k = product.loops.k.empty() ? "1L" : loop_extent(id, product.loops.k[0]);
  const std::string n = loop_extent(id, product.loops.n[0]);
  return fmt::format(
      "const long panel_step = {0} * {1};\nconst float* b = pack{2};\n"
      "NAME_pack<{1}>(pack{2}, {3}{4}, {5}, {6}, {0}, {7});\n",
      k, shape_.panel(), id, base_text(plan_.value(b).place, kernel_.sizes),
      offset(product.strides_b, batch), step(product.strides_b, product.loops.k),
      step(product.strides_b, product.loops.n), n);
}

// Products with the same rows and kind of panels share tiles.
int ProductWriter::tile_set(NodeId id) {
  const BlockProduct& product = plan_.products.at(id);
  const NodeId b = plan_.node(id).inputs[static_cast<std::size_t>(product.loops.b)].node;
  TileSpec spec;
  const bool bf16 = plan_.node(b).types[0].dtype == DType::kBF16;
  spec.packed = product.packed_at_load && bf16 ? DType::kBF16 : DType::kF32;
  const Dim rows = lamina::cpu::product(extents_of(product.form, product.loops.m));
  if (rows.is_constant()) {
    spec.rows = rows.constant_part();
    const bool fixed = product.loops.m.empty() || loop_extent(id, product.loops.m[0]) == text(rows);
    spec.ragged = !fixed;
  }
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (specs_[i].packed == spec.packed && specs_[i].rows == spec.rows &&
        specs_[i].ragged == spec.ragged) {
      return static_cast<int>(i);
    }
  }
  spec.prefix = fmt::format("NAME_mm{}", specs_.size());
  specs_.push_back(spec);
  return static_cast<int>(specs_.size()) - 1;
}

std::string ProductWriter::call_text(NodeId id, const Place& out, bool first) {
  const BlockProduct& product = plan_.products.at(id);
  const NodeId a = plan_.node(id).inputs[static_cast<std::size_t>(product.loops.a)].node;
  const std::string rows = product.loops.m.empty() ? "1L" : loop_extent(id, product.loops.m[0]);
  const std::string k = product.loops.k.empty() ? "1L" : loop_extent(id, product.loops.k[0]);
  const int tiles = tile_set(id);
  return fmt::format(
      "{0}_panels({1}{2}, {3}, {4}, b, panel_step, ({5} + {6} - 1) / {6}, {7}, {8}{9}, {10}, {6}, "
      "{11});\n",
      specs_[static_cast<std::size_t>(tiles)].prefix,
      base_text(plan_.value(a).place, kernel_.sizes),
      offset(product.strides_a, product.loops.batch), step(product.strides_a, product.loops.m),
      rows, loop_extent(id, product.loops.n[0]), shape_.panel(), k, base_text(out, kernel_.sizes),
      offset(product.strides_out, product.loops.batch), step(product.strides_out, product.loops.m),
      first ? "true" : "false");
}

std::string ProductWriter::strips_call(NodeId id, const Place& out, bool first) {
  const BlockProduct& product = plan_.products.at(id);
  const auto operand = [&](int index) {
    return plan_.node(id).inputs[static_cast<std::size_t>(index)].node;
  };
  const Place& b = plan_.value(operand(product.loops.b)).place;
  const int tiles = tile_set(id);
  strips_.insert(tiles);
  return fmt::format(
      "{}_strips({}{}, {}, {}, {}{}, {}, {}, {}, {}, pack{}, {}{}, {}, {});\n",
      specs_[static_cast<std::size_t>(tiles)].prefix,
      base_text(plan_.value(operand(product.loops.a)).place, kernel_.sizes),
      offset(product.strides_a, product.loops.batch), step(product.strides_a, product.loops.m),
      product.loops.m.empty() ? "1L" : loop_extent(id, product.loops.m[0]),
      base_text(b, kernel_.sizes), offset(product.strides_b, product.loops.batch),
      step(product.strides_b, product.loops.k), step(product.strides_b, product.loops.n),
      product.loops.k.empty() ? "1L" : loop_extent(id, product.loops.k[0]),
      loop_extent(id, product.loops.n[0]), id, base_text(out, kernel_.sizes),
      offset(product.strides_out, product.loops.batch), step(product.strides_out, product.loops.m),
      first ? "true" : "false");
}

std::string ProductWriter::write(NodeId id, const Place* onto) {
  const BlockProduct& product = plan_.products.at(id);
  std::vector<int> outer, inner;
  for (const int l : product.loops.batch) {
    (product.packed_at_load || uses_b(product, l) ? outer : inner).push_back(l);
  }
  const Place& to = onto != nullptr ? *onto : plan_.value(id).place;
  std::string out = "{\n" + open(id, outer);
  if (product.in_strips) {
    out += open(id, inner) + strips_call(id, to, onto == nullptr);
    return out + close_braces(1 + outer.size() + inner.size());
  }
  out += product.packed_at_load ? packed_text(id) : packing_text(id);
  out += open(id, inner);
  out += call_text(id, to, onto == nullptr);
  return out + close_braces(1 + outer.size() + inner.size());
}

// Rows are dealt evenly to as few tiles as hold them.
ThreadPass ProductWriter::pass(NodeId id, std::optional<Value> addend, NodeId next) const {
  const BlockProduct& product = plan_.products.at(id);
  const Dim extent = lamina::cpu::product(extents_of(product.form, product.loops.m));
  std::int64_t rows = shape_.max_rows;
  if (extent.is_constant()) {
    const std::int64_t all = std::max<std::int64_t>(1, extent.constant_part());
    const std::int64_t tiles = (all + rows - 1) / rows;
    rows = (all + tiles - 1) / tiles;
  }
  const int panels = shape_.panels_in_flight(static_cast<int>(rows));
  return {{next}, addend, {rows, shape_.panel() * panels}, shape_.lanes};
}

std::string ProductWriter::tiles() const {
  std::string out;
  for (const TileSpec& spec : specs_) out += tiles_text(context_.target, spec);
  for (const int tiles : strips_) {
    out += strips_text(context_.target, specs_[static_cast<std::size_t>(tiles)]);
  }
  return out;
}

}  // namespace lamina::cpu
