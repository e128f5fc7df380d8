// The meaning of element-wise operators: the scalar template at every point of the broadcast shape.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "graph/meaning/domain.h"

namespace lamina {

template <class Domain>
class ElementwiseMeaning {
 public:
  using Number = typename Domain::Number;
  using A = Array<Number>;

  explicit ElementwiseMeaning(Domain& domain) : domain_(domain) {}

  A elementwise(const NodeView& node, const std::vector<const A*>& in, const Type& type) {
    const Shape shape = *constant_shape(type.shape);
    bool whole = node.op.scalar.whole != nullptr && !traits(type.dtype).is_float;
    for (const A* a : in) whole = whole && a->is_whole;
    return whole ? whole_elementwise(node, in, type.dtype, shape)
                 : real_elementwise(node, in, type.dtype, shape);
  }

 private:
  static std::vector<Walker> walkers(const std::vector<const A*>& in, const Shape& shape) {
    std::vector<Walker> result;
    for (const A* a : in) result.emplace_back(shape, broadcast_strides(a->shape, shape));
    return result;
  }

  A whole_elementwise(const NodeView& node, const std::vector<const A*>& in, DType dtype,
                      const Shape& shape) {
    A out{dtype, shape, {}, {}, true};
    out.whole.resize(static_cast<std::size_t>(element_count(shape)));
    std::vector<Walker> at = walkers(in, shape);
    std::vector<std::int64_t> x(in.size());
    for (std::int64_t& result : out.whole) {
      for (std::size_t k = 0; k < in.size(); ++k) {
        x[k] = in[k]->whole[static_cast<std::size_t>(at[k].offset)];
        at[k].next();
      }
      result = wrap_to(dtype, node.op.scalar.whole(x, node.attrs));
    }
    return out;
  }

  A real_elementwise(const NodeView& node, const std::vector<const A*>& in, DType dtype,
                     const Shape& shape) {
    const auto meaning = Domain::scalar(node.op.scalar);
    if (meaning == nullptr) {
      fail(ErrorCode::kUnsupported, "operator '{}' is defined on integers only", node.op.name);
    }
    A out{dtype, shape, {}, {}, false};
    out.real.reserve(static_cast<std::size_t>(element_count(shape)));
    std::vector<Walker> at = walkers(in, shape);
    std::vector<Number> x(in.size());
    const std::int64_t count = element_count(shape);
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::size_t k = 0; k < in.size(); ++k) {
        x[k] = real_at(domain_, *in[k], at[k].offset);
        at[k].next();
      }
      out.real.push_back(meaning(x, node.attrs));
    }
    // Integers of an algebra that does not know them are rounded like casts, so that an integer
    // division is not taken for a division of reals.
    if (node.op.name == "cast" || traits(dtype).is_integer) {
      for (Number& value : out.real) value = domain_.round_to(value, dtype);
    }
    if (dtype == DType::kBool) {
      for (Number& value : out.real) value = truth(value);
    }
    if (!traits(dtype).is_float) settle(out);
    return out;
  }

  // Turns an integer or boolean array computed over Number into exact integers, if all are known.
  void settle(A& a) const {
    std::vector<std::int64_t> whole;
    whole.reserve(a.real.size());
    for (const Number& value : a.real) {
      const std::optional<std::int64_t> known = domain_.to_whole(value);
      if (!known) return;
      whole.push_back(wrap_to(a.dtype, *known));
    }
    a.whole = std::move(whole);
    a.real.clear();
    a.is_whole = true;
  }

  Domain& domain_;
};

}  // namespace lamina
