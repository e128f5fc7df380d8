// Operators that move elements, and orderings, as ONNX.
#include <limits>
#include <numeric>

#include "base/check.h"
#include "io/onnx_writer.h"

namespace lamina {
namespace {

Wires constant(const ExportCall& call) {
  const Wire value = call.w.scalar(call.attrs().real("value"), call.out().dtype);
  return {call.w.expand(value, call.out().shape)};
}

Wires transpose(const ExportCall& call) {
  const std::size_t rank = call.shape().size();
  std::vector<std::int64_t> axes = call.numbers("axes", rank, 0);
  if (call.attrs().dims("axes").empty()) {
    for (std::size_t i = 0; i < rank; ++i) axes[i] = static_cast<std::int64_t>(rank - 1 - i);
  }
  for (std::int64_t& axis : axes) axis += axis < 0 ? static_cast<std::int64_t>(rank) : 0;
  return {call.w.transpose(call.inputs[0], axes)};
}

Wires reshape(const ExportCall& call) { return {call.w.reshape(call.inputs[0], call.out().shape)}; }
Wires broadcast(const ExportCall& call) {
  return {call.w.expand(call.inputs[0], call.out().shape)};
}

// What lies before the first element on the way down has no number of its own: negative ends count
// from the end of the axis.
Dim end_of_slice(const ExportCall& call, const Dim& start, const Dim& size, std::int64_t step) {
  const Dim end = start + size * Dim(step);
  if (step > 0 || size == Dim(0)) return end;
  const std::optional<std::int64_t> known = end.constant();
  if (!known) call.refuse("a backward slice of unknown size");
  return *known < 0 ? Dim(std::numeric_limits<std::int64_t>::min() + 1) : end;
}

Wires slice(const ExportCall& call) {
  const std::size_t rank = call.shape().size();
  if (rank == 0) return call.inputs;
  const Dims& given = call.attrs().dims("start");
  const Dims start = given.empty() ? Dims(rank, Dim(0)) : given;
  const Dims& size = call.attrs().dims("size");
  const std::vector<std::int64_t> step = call.numbers("step", rank, 1);
  Dims end;
  for (std::size_t i = 0; i < rank; ++i)
    end.push_back(end_of_slice(call, start[i], size[i], step[i]));
  std::vector<std::int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  return {call.w.add("Slice",
                     {call.inputs[0], call.w.shape(start), call.w.shape(end), call.w.integers(axes),
                      call.w.integers(step)},
                     {}, call.out())};
}

Wires concat(const ExportCall& call) {
  Wires parts;
  for (const Wire& part : call.inputs) parts.push_back(call.w.cast(part, call.out().dtype));
  return {call.w.add("Concat", parts, {{"axis", onnx_integer(call.axis())}}, call.out())};
}

Wires split(const ExportCall& call) {
  const Wire sizes = call.w.shape(call.attrs().dims("sizes"));
  return call.w.add("Split", {call.inputs[0], sizes}, {{"axis", onnx_integer(call.axis())}},
                    call.types);
}

Dims or_zeros(const Dims& dims, std::size_t rank) {
  return dims.empty() ? Dims(rank, Dim(0)) : dims;
}

Wire padded(const ExportCall& call, const Wire& x, const Dims& low, const Dims& high) {
  Dims pads = low;
  pads.insert(pads.end(), high.begin(), high.end());
  Type type{x.type.dtype, {}, {}};
  for (std::size_t i = 0; i < low.size(); ++i) {
    type.shape.push_back(x.type.shape[i] + low[i] + high[i]);
  }
  const Wire value = call.w.scalar(call.attrs().real("value"), x.type.dtype);
  return call.w.add("Pad", {x, call.w.shape(pads), value}, {}, type);
}

// Elements between elements are put behind each of them on an axis of their own; those behind the
// last one are cut off again.
Wires pad(const ExportCall& call) {
  const std::size_t rank = call.shape().size();
  if (rank == 0) return call.inputs;
  const Dims low = or_zeros(call.attrs().dims("low"), rank);
  Dims high = or_zeros(call.attrs().dims("high"), rank);
  const Dims interior = or_zeros(call.attrs().dims("interior"), rank);
  Wire x = call.inputs[0];
  if (interior != Dims(rank, Dim(0))) {
    Dims apart, none(2 * rank, Dim(0)), between, spread;
    for (std::size_t i = 0; i < rank; ++i) {
      if (lamina::Dim(0) == call.shape()[i]) call.refuse("elements between none");
      apart.insert(apart.end(), {call.shape()[i], Dim(1)});
      between.insert(between.end(), {Dim(0), interior[i]});
      spread.push_back(call.shape()[i] * (Dim(1) + interior[i]));
      high[i] = high[i] - interior[i];
    }
    x = call.w.reshape(padded(call, call.w.reshape(x, apart), none, between), spread);
  }
  return {padded(call, x, low, high)};
}

Wires extend(const ExportCall& call) {
  const std::string& mode = call.attrs().text("mode");
  if (mode != "edge" && mode != "reflect") return {};
  const std::size_t rank = call.shape().size();
  Dims pads = or_zeros(call.attrs().dims("low"), rank);
  const Dims high = or_zeros(call.attrs().dims("high"), rank);
  pads.insert(pads.end(), high.begin(), high.end());
  return {call.w.add("Pad", {call.inputs[0], call.w.shape(pads)}, {{"mode", onnx_text(mode)}},
                     call.out())};
}

Wires size_value(const ExportCall& call) {
  const Wire size = call.w.shape({call.attrs().dims("size").at(0)});
  return {call.w.cast(call.w.reshape(size, {}), call.out().dtype)};
}

// start + step * (the coordinate along `axis`); as elements where the shape is known.
Wires iota(const ExportCall& call) {
  OnnxWriter& w = call.w;
  const Type& out = call.out();
  const double start = call.attrs().real("start");
  const double step = call.attrs().real("step");
  const auto axis = static_cast<std::size_t>(call.attrs().integer("axis") < 0
                                                 ? call.attrs().integer("axis") +
                                                       static_cast<std::int64_t>(out.shape.size())
                                                 : call.attrs().integer("axis"));
  const Dim& count = out.shape.at(axis);
  Dims line(out.shape.size(), Dim(1));
  line[axis] = count;
  if (const std::optional<std::int64_t> known = count.constant()) {
    std::vector<double> values(static_cast<std::size_t>(*known));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = start + step * static_cast<double>(i);
    return {w.expand(w.reshape(w.constant(Tensor::from_doubles(out.dtype, {*known}, values)), line),
                     out.shape)};
  }
  const Wire limit = w.reshape(w.shape({count}), {});
  const Wire places =
      w.add("Range", {w.scalar(0.0, DType::kI64), limit, w.scalar(1.0, DType::kI64)}, {},
            {DType::kI64, {count}, {}});
  Wire values = w.cast(places, out.dtype);
  if (step != 1.0) values = w.binary("Mul", values, w.scalar(step, out.dtype));
  if (start != 0.0) values = w.binary("Add", values, w.scalar(start, out.dtype));
  return {w.expand(w.reshape(values, line), out.shape)};
}

Wires tile(const ExportCall& call) {
  if (call.shape().empty()) return call.inputs;
  const Wire repeats = call.w.shape(call.attrs().dims("repeats"));
  return {call.w.add("Tile", {call.inputs[0], repeats}, {}, call.out())};
}

// ONNX has indices of 32 and 64 bits only.
Wire indices(const ExportCall& call, std::size_t i = 1) {
  return call.w.cast(call.inputs[i], DType::kI64);
}

Wires gather(const ExportCall& call) {
  return {call.w.add("Gather", {call.inputs[0], indices(call)},
                     {{"axis", onnx_integer(call.axis())}}, call.out())};
}

Wires embedding(const ExportCall& call) {
  return {call.w.add("Gather", {call.inputs[0], indices(call)}, {{"axis", onnx_integer(0)}},
                     call.out())};
}

Wires gather_elements(const ExportCall& call) {
  return {call.w.add("GatherElements", {call.inputs[0], indices(call)},
                     {{"axis", onnx_integer(call.axis())}}, call.out())};
}

Wires gather_nd(const ExportCall& call) {
  return {call.w.add("GatherND", {call.inputs[0], indices(call)},
                     {{"batch_dims", onnx_integer(call.attrs().integer("batch_dims"))}},
                     call.out())};
}

OnnxAttrs reduction(const ExportCall& call) {
  const std::string& combine = call.attrs().text("combine");
  if (combine == "max" || combine == "min") call.w.need(18);
  return {{"reduction", onnx_text(combine == "set" ? "none" : combine)}};
}

Wires scatter_elements(const ExportCall& call) {
  OnnxAttrs attrs = reduction(call);
  attrs["axis"] = onnx_integer(call.axis());
  return {call.w.add("ScatterElements", {call.inputs[0], indices(call), call.inputs[2]}, attrs,
                     call.out())};
}

// Whole slices: every element of the updates gets the index of its slice.
Wires scatter(const ExportCall& call) {
  const auto axis = static_cast<std::size_t>(call.axis());
  Dim count = 1;
  for (const Dim& dim : call.shape(1)) count = count * dim;
  Dims flat = call.shape();
  flat[axis] = count;
  Dims line(flat.size(), Dim(1));
  line[axis] = count;
  const Wire where = call.w.expand(call.w.reshape(indices(call), line), flat);
  OnnxAttrs attrs = reduction(call);
  attrs["axis"] = onnx_integer(static_cast<std::int64_t>(axis));
  return {call.w.add("ScatterElements",
                     {call.inputs[0], where, call.w.reshape(call.inputs[2], flat)}, attrs,
                     call.out())};
}

// The coordinate along `axis` at every place of `shape`.
Wire coordinates(const ExportCall& call, const Dims& shape, std::size_t axis) {
  const std::optional<std::int64_t> count = shape[axis].constant();
  if (!count) call.refuse("batch axes of unknown size");
  std::vector<std::int64_t> places(static_cast<std::size_t>(*count));
  std::iota(places.begin(), places.end(), 0);
  Dims line(shape.size(), Dim(1));
  line[axis] = shape[axis];
  return call.w.expand(call.w.reshape(call.w.integers(places), line), shape);
}

// ONNX scatters without batch axes: their coordinates come first among the indices.
Wires scatter_nd(const ExportCall& call) {
  const auto batch = static_cast<std::size_t>(call.attrs().integer("batch_dims"));
  Wires columns;
  Dims one = call.shape(1);
  one.back() = 1;
  for (std::size_t i = 0; i < batch; ++i) columns.push_back(coordinates(call, one, i));
  columns.push_back(indices(call));
  Wire where = columns.front();
  if (columns.size() > 1) {
    Dims all = call.shape(1);
    all.back() = all.back() + Dim(static_cast<std::int64_t>(batch));
    where = call.w.add("Concat", columns,
                       {{"axis", onnx_integer(static_cast<std::int64_t>(all.size()) - 1)}},
                       {DType::kI64, all, {}});
  }
  return {call.w.add("ScatterND", {call.inputs[0], where, call.inputs[2]}, reduction(call),
                     call.out())};
}

Wires one_hot(const ExportCall& call) {
  const DType dtype = call.out().dtype;
  const std::vector<double> values{call.attrs().real("off"), call.attrs().real("on")};
  return {call.w.add("OneHot",
                     {indices(call, 0), call.w.shape({call.attrs().dims("depth").at(0)}),
                      call.w.constant(Tensor::from_doubles(dtype, {2}, values))},
                     {{"axis", onnx_integer(call.attrs().integer("axis"))}}, call.out())};
}

Wires trilu(const ExportCall& call) {
  const Wire k = call.w.constant(
      Tensor::from_integers(DType::kI64, {}, std::vector<std::int64_t>{call.attrs().integer("k")}));
  return {call.w.add("Trilu", {call.inputs[0], k},
                     {{"upper", onnx_integer(call.attrs().flag("upper") ? 1 : 0)}}, call.out())};
}

Wires top_k(const ExportCall& call) {
  const bool sorts = call.node.op.name == "sort";
  const auto axis = static_cast<std::size_t>(call.axis());
  const Dim k = sorts ? call.shape()[axis] : call.attrs().dims("k").at(0);
  const bool largest = call.attrs().flag(sorts ? "descending" : "largest");
  return call.w.add("TopK", {call.inputs[0], call.w.shape({k})},
                    {{"axis", onnx_integer(static_cast<std::int64_t>(axis))},
                     {"largest", onnx_integer(largest ? 1 : 0)},
                     {"sorted", onnx_integer(1)}},
                    call.types);
}

}  // namespace

std::span<const OnnxExportRule> onnx_move_exports() {
  static const OnnxExportRule rules[] = {
      {"constant", constant},
      {"transpose", transpose},
      {"reshape", reshape},
      {"broadcast", broadcast},
      {"slice", slice},
      {"concat", concat},
      {"split", split},
      {"pad", pad},
      {"extend", extend},
      {"size_value", size_value},
      {"iota", iota},
      {"tile", tile},
      {"gather", gather},
      {"embedding", embedding},
      {"gather_elements", gather_elements},
      {"gather_nd", gather_nd},
      {"scatter", scatter},
      {"scatter_elements", scatter_elements},
      {"scatter_nd", scatter_nd},
      {"one_hot", one_hot},
      {"trilu", trilu},
      {"top_k", top_k},
      {"sort", top_k},
  };
  return rules;
}

}  // namespace lamina
