// Packing: gathers panels through tables of offsets.
#include "exec/cpu/packing.h"

#include <cstring>
#include <span>

#include "base/check.h"
#include "base/hash.h"
#include "graph/access_plan.h"
#include "graph/array.h"

namespace lamina::cpu {
namespace {

Shape constant(const Dims& dims) {
  const auto shape = constant_shape(dims);
  check(shape.has_value(), "a packed weight of shape {}", to_string(dims));
  return *shape;
}

// One pack: extents, and where element (b, k, n) of the operand is.
class Packing {
 public:
  Packing(const Tensor& weight, const PackRequest& request)
      : request_(request),
        access_(request.access, weight.shape(), std::span(&weight.shape(), 1)),
        batch_(constant(request.batch)),
        k_(constant(request.k)),
        n_(constant(request.n)) {
    extents_ = batch_;
    extents_.insert(extents_.end(), k_.begin(), k_.end());
    extents_.insert(extents_.end(), n_.begin(), n_.end());
    is_affine_ = access_.affine_within(extents_);
    batch_offsets_ = offsets(batch_, 0);
    k_offsets_ = offsets(k_, batch_.size());
    n_offsets_ = offsets(n_, batch_.size() + k_.size());
  }

  std::int64_t batches() const { return element_count(batch_); }
  std::int64_t rows() const { return element_count(k_); }
  std::int64_t columns() const { return element_count(n_); }
  std::int64_t panels() const { return (columns() + request_.panel - 1) / request_.panel; }
  std::int64_t panel_elements() const {
    const std::int64_t groups = (rows() + request_.interleave - 1) / request_.interleave;
    return groups * request_.interleave * request_.panel;
  }

  // Panel `p` of all batches' panels. `from` and `to` hold elements of Bits.
  template <class Bits>
  void pack(const Bits* from, std::int64_t p, Bits* to) const {
    const std::int64_t b = p / panels();
    const std::int64_t first = p % panels() * request_.panel;
    const std::int64_t wide = std::min<std::int64_t>(request_.panel, columns() - first);
    if (is_affine_ && request_.interleave == 1) {
      pack_affine(from + access_.base() + batch_offsets_[static_cast<std::size_t>(b)], first, wide,
                  to);
      return;
    }
    for (std::int64_t k = 0; k < rows(); ++k) {
      const std::int64_t group = k / request_.interleave * request_.panel;
      Bits* row = to + group * request_.interleave + k % request_.interleave;
      for (std::int64_t c = 0; c < wide; ++c) {
        const std::int64_t at = offset(b, k, first + c);
        if (at >= 0) row[c * request_.interleave] = from[at];
      }
    }
  }

 private:
  template <class Bits>
  void pack_affine(const Bits* from, std::int64_t first, std::int64_t wide, Bits* to) const {
    const std::int64_t* columns = n_offsets_.data() + first;
    bool neighbours = true;
    for (std::int64_t c = 1; c < wide; ++c) neighbours &= columns[c] == columns[0] + c;
    for (const std::int64_t row : k_offsets_) {
      if (neighbours) {
        std::memcpy(to, from + row + columns[0], static_cast<std::size_t>(wide) * sizeof(Bits));
      } else {
        for (std::int64_t c = 0; c < wide; ++c) to[c] = from[row + columns[c]];
      }
      to += request_.panel;
    }
  }

  // The contribution of the loops `extents`, of which `first` is the first, for all their points.
  std::vector<std::int64_t> offsets(const Shape& extents, std::size_t first) const {
    std::vector<std::int64_t> result(static_cast<std::size_t>(element_count(extents)), 0);
    std::vector<std::int64_t> strides;
    for (std::size_t l = 0; l < extents.size(); ++l) {
      strides.push_back(access_.stride(static_cast<int>(first + l)));
    }
    Walker at(extents, strides);
    for (std::int64_t& offset : result) {
      offset = at.offset;
      at.next();
    }
    return result;
  }

  std::int64_t offset(std::int64_t b, std::int64_t k, std::int64_t n) const {
    if (is_affine_) {
      return access_.base() + batch_offsets_[static_cast<std::size_t>(b)] +
             k_offsets_[static_cast<std::size_t>(k)] + n_offsets_[static_cast<std::size_t>(n)];
    }
    std::vector<std::int64_t> point;
    const auto append = [&](const Shape& extents, std::int64_t linear) {
      const std::size_t from = point.size();
      point.resize(from + extents.size());
      for (std::size_t l = extents.size(); l-- > 0; linear /= extents[l]) {
        point[from + l] = linear % extents[l];
      }
    };
    append(batch_, b);
    append(k_, k);
    append(n_, n);
    return access_.offset(point, [](int, std::int64_t) { return std::int64_t{-1}; });
  }

  const PackRequest& request_;
  BoundAccess access_;
  Shape batch_;
  Shape k_;
  Shape n_;
  Shape extents_;
  bool is_affine_ = false;
  std::vector<std::int64_t> batch_offsets_;
  std::vector<std::int64_t> k_offsets_;
  std::vector<std::int64_t> n_offsets_;
};

template <class Bits>
void pack_panels(const Packing& packing, const Tensor& from, Buffer& to, ThreadPool& pool) {
  const auto* source = reinterpret_cast<const Bits*>(from.data());
  auto* target = reinterpret_cast<Bits*>(to.data());
  const std::int64_t panels = packing.batches() * packing.panels();
  pool.parallel_for(panels, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t p = begin; p < end; ++p) {
      packing.pack(source, p, target + p * packing.panel_elements());
    }
  });
}

std::string content_key(const Tensor& weight, const PackRequest& request) {
  Hasher hasher;
  hasher.add(std::span<const std::byte>(weight.data(), weight.bytes()));
  hasher.add(traits(weight.dtype()).name).add(to_string(weight.shape()));
  hasher.add(to_string(request.batch)).add(to_string(request.k)).add(to_string(request.n));
  hasher.add(std::int64_t{request.access.flat});
  for (const AxisIndex& axis : request.access.axes) {
    hasher.add(axis.offset.to_string());
    for (const auto& term : axis.loops) {
      hasher.add(std::int64_t{term.loop}).add(term.coefficient.to_string());
    }
    hasher.add("axis");
  }
  hasher.add(std::int64_t{request.panel}).add(std::int64_t{request.interleave});
  return hasher.add(traits(request.dtype).name).hex();
}

}  // namespace

void pack_weight_into(Buffer& to, const Tensor& weight, const PackRequest& request,
                      ThreadPool& pool) {
  const Tensor from = weight.dtype() == request.dtype ? weight.dense() : weight.cast(request.dtype);
  const Packing packing(from, request);
  check(to.bytes() == packed_bytes(request), "a pack of {} bytes in {}", packed_bytes(request),
        to.bytes());
  switch (traits(request.dtype).block_bytes) {
    case 1:
      pack_panels<std::uint8_t>(packing, from, to, pool);
      break;
    case 2:
      pack_panels<std::uint16_t>(packing, from, to, pool);
      break;
    case 4:
      pack_panels<std::uint32_t>(packing, from, to, pool);
      break;
    default:
      pack_panels<std::uint64_t>(packing, from, to, pool);
  }
}

std::size_t packed_bytes(const PackRequest& request) {
  const auto count = [](const Dims& dims) { return element_count(constant(dims)); };
  const std::int64_t panels = (count(request.n) + request.panel - 1) / request.panel;
  const std::int64_t groups = (count(request.k) + request.interleave - 1) / request.interleave;
  const std::int64_t elements =
      count(request.batch) * panels * groups * request.interleave * request.panel;
  return static_cast<std::size_t>(elements * traits(request.dtype).block_bytes);
}

std::shared_ptr<Buffer> pack_weight(const Tensor& weight, const PackRequest& request,
                                    ThreadPool& pool) {
  auto to = Buffer::allocate(packed_bytes(request));
  pack_weight_into(*to, weight, request, pool);
  return to;
}

std::shared_ptr<Buffer> PackedWeights::get(const Tensor& weight, const PackRequest& request,
                                           ThreadPool& pool) {
  const Tensor dense = weight.dense();
  const std::string key = content_key(dense, request);
  const std::lock_guard lock(mutex_);
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Buffer>& entry = known_[key];
  auto packed = entry.lock();
  if (packed == nullptr) {
    packed = pack_weight(dense, request, pool);
    entry = packed;
  }
  return packed;
}

}  // namespace lamina::cpu
