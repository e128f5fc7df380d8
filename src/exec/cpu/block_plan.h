// How a block graph becomes one kernel: which values lie in memory and where, which are computed
// inside the loop nests that read them, in which phase each node runs, and how tiles are cut.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exec/cpu/emit_contract.h"
#include "exec/cpu/kernel.h"

namespace lamina::cpu {

// A cut of an axis of `whole` elements into tiles by a grid dimension, by the loop, or by both. In
// the text the tile of the moment begins at s<i> and has e<i> elements.
struct Cut {
  Dim tile;
  Dim whole;
  int grid = -1;
  bool loop = false;
  bool ragged = false;  // the last tiles may be shorter, or empty

  bool operator==(const Cut&) const = default;
};

// A value in memory. Element (i0, i1, ...) is at pointer + offsets + sum of i * stride.
struct Place {
  struct Offset {
    int cut = -1;  // times s<cut>; -1: once
    Dim stride;
    int axis = -1;  // of the input
  };
  std::string pointer;
  std::vector<Offset> offsets;
  DType dtype = DType::kF32;
  Dims strides;
  bool scratch = false;         // ours: floats; vectors may run over the end of a row
  NodeId owner = -1;            // the node whose memory it is
  int input = -1;               // memory of this input of the block, else -1
  std::vector<int> input_axis;  // per axis: the axis of the input, -1: none
};

// Before the loop (what no iteration changes), in it, after it.
enum class Phase : std::uint8_t { kBefore, kLoop, kAfter };

// What becomes of a node.
struct BlockValue {
  enum class Form : std::uint8_t {
    kNone,     // stores, whole inputs
    kInline,   // element-wise, computed where it is read
    kNumber,   // start + size everywhere
    kCounter,  // start + size + step * index along counter_axis
    kMemory,   // at `place`
  };
  Form form = Form::kNone;
  Phase phase = Phase::kBefore;
  std::vector<int> cuts;        // per axis: the ragged cut that limits it, or -1
  Place place;                  // kMemory
  bool computed = false;        // a nest or a product fills `place`
  std::optional<Place> source;  // a load or view that is copied to `place`
  double start = 0.0;
  Dim size;
  int counter_axis = -1;
  double step = 1.0;
};

// An update that adds a product to something element-wise: the product goes on from there in place.
struct Accumulation {
  NodeId product = -1;
  Value addend;
};

// How a product runs: out[m, n] (+)= a[m, k] * b[k, n], looped over the batch.
struct BlockProduct {
  LoopForm form;
  ProductLoops loops;  // at most one loop each in m, n and k; the others are in the batch
  bool packed_at_load = false;
  bool in_strips = false;  // b is read once, so that it needs no packed copy
  int packed_k = -1;       // the axes of the input that k and n walk
  int packed_n = -1;
  Dims strides_a;  // per loop
  Dims strides_b;
  Dims strides_out;
};

struct BlockPlan {
  Graph graph;  // the inner graph without composites
  Dims grid;
  Dim iterations;
  std::vector<Cut> cuts;
  std::vector<BlockValue> values;  // per node
  std::vector<int> input_index;    // per node: which input of the block, or -1
  std::vector<std::optional<Accumulation>> accumulations;  // per update
  std::vector<std::size_t> update_order;
  std::map<NodeId, BlockProduct> products;
  std::set<int> loaded_cuts;  // when one of them is empty, the iteration is skipped
  struct Scratch {
    std::string name;  // of a pointer to floats
    Dim offset;
    Dim floats;
  };
  std::vector<Scratch> scratch;
  Dim scratch_floats = 0;

  const Node& node(NodeId id) const { return graph.nodes[static_cast<std::size_t>(id)]; }
  const BlockValue& value(NodeId id) const { return values[static_cast<std::size_t>(id)]; }
  BlockValue& value(NodeId id) { return values[static_cast<std::size_t>(id)]; }
  const Dims& shape(NodeId id) const { return node(id).types[0].shape; }
  NodeId count() const { return static_cast<NodeId>(graph.nodes.size()); }
  bool is_state(NodeId id) const;
  bool is_accumulated(NodeId id) const;  // the product of an accumulation

  // Scratch called `name` for `floats` floats.
  void reserve(const std::string& name, const Dim& floats);
  Dim size_of(const std::string& name) const;  // of scratch, in floats
  // The length of an axis now: a cut's e<i> or the type's dim.
  std::string extent(NodeId id, std::size_t axis, std::vector<std::string>& sizes) const;
};

// Throws kUnsupported that names an operator which cannot run inside a block.
BlockPlan plan_block(const EmitContext& context);

bool is_elementwise(const Node& node);
bool is_fold(const Node& node);     // a reduction over axes, or mean
bool is_product(const Node& node);  // a contraction

// pointer + offsets, as text.
std::string base_text(const Place& place, std::vector<std::string>& sizes);
// The stride along every axis of `to` at which a value of shape `from` (with these strides) is
// read; 0 where it is repeated.
Dims broadcast_place_strides(const Place& place, const Dims& from, const Dims& to);

}  // namespace lamina::cpu
