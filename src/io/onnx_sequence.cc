// ONNX sequences of tensors, which exist only while a model is imported: their lengths and the
// positions in them must be known.
#include <algorithm>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

const Items& list(const OnnxCall& call, std::size_t i) {
  require(call.has(i) && call.inputs[i].list, "input {} is no sequence", i);
  return *call.inputs[i].list;
}

// A position in a sequence of n elements, negative ones counting from the end; `end` may be one
// too.
std::ptrdiff_t position(const OnnxCall& call, std::size_t input, std::size_t n, bool end = false) {
  const std::int64_t at = call.known(input, "position").to_integers().at(0);
  const auto count = static_cast<std::int64_t>(n);
  require(at >= -count && at < count + (end ? 1 : 0), "position {} in a sequence of {}", at, count);
  return static_cast<std::ptrdiff_t>(at < 0 ? at + count : at);
}

Items construct(const OnnxCall& call) { return {list_item(call.inputs)}; }
Items empty(const OnnxCall&) { return {list_item({})}; }

Items length(const OnnxCall& call) {
  return {OnnxBuilder::scalar(static_cast<double>(list(call, 0).size()), DType::kI64)};
}

Items at(const OnnxCall& call) {
  const Items& items = list(call, 0);
  return {items[static_cast<std::size_t>(position(call, 1, items.size()))]};
}

Items insert(const OnnxCall& call) {
  Items items = list(call, 0);
  const auto where = call.has(2) ? position(call, 2, items.size(), true)
                                 : static_cast<std::ptrdiff_t>(items.size());
  items.insert(items.begin() + where, call.in(1));
  return {list_item(std::move(items))};
}

Items erase(const OnnxCall& call) {
  Items items = list(call, 0);
  require(!items.empty(), "the sequence is empty");
  const auto where =
      call.has(1) ? position(call, 1, items.size()) : static_cast<std::ptrdiff_t>(items.size()) - 1;
  items.erase(items.begin() + where);
  return {list_item(std::move(items))};
}

Items concat(const OnnxCall& call) {
  Items items = list(call, 0);
  require(!items.empty(), "the sequence is empty");
  const bool fresh = call.integer("new_axis", 0) != 0;
  const int axis = call.axis(call.integer("axis", 0), items[0].rank() + (fresh ? 1 : 0));
  if (fresh) {
    for (Item& item : items) item = call.b.unsqueeze(item, axis);
  }
  return {call.b.concat(items, axis)};
}

// Parts of size 1 (whose axis may be dropped), of one size, or of the given sizes.
Items split(const OnnxCall& call) {
  const Item& x = call.in(0);
  const int axis = call.axis(call.integer("axis", 0), x.rank());
  const Dim& extent = x.shape[static_cast<std::size_t>(axis)];
  if (!extent.is_constant()) call.refuse("the size {}: give it a value", extent.to_string());
  std::vector<std::int64_t> sizes;
  if (call.has(1)) sizes = call.known_integers(1, "split");
  if (!call.has(1) || call.in(1).rank() == 0) {
    const std::int64_t part = call.has(1) ? sizes.at(0) : 1;
    require(part > 0, "parts of {}", part);
    sizes.clear();
    for (std::int64_t i = 0; i < *extent.constant(); i += part) {
      sizes.push_back(std::min(part, *extent.constant() - i));
    }
  }
  Items items;
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    Item part = call.b.slice(x, axis, start, size);
    if (!call.has(1) && call.integer("keepdims", 1) == 0)
      part = call.b.select_index(x, axis, start);
    items.push_back(part);
    start += size;
  }
  require(start == *extent.constant(), "parts of {} elements in all, of {}", start,
          *extent.constant());
  return {list_item(std::move(items))};
}

}  // namespace

std::span<const OnnxRule> onnx_sequence_rules() {
  static const OnnxRule rules[] = {
      {"SequenceConstruct", construct}, {"SequenceEmpty", empty},
      {"SequenceLength", length},       {"SequenceAt", at},
      {"SequenceInsert", insert},       {"SequenceErase", erase},
      {"ConcatFromSequence", concat},   {"SplitToSequence", split},
  };
  return rules;
}

}  // namespace lamina
