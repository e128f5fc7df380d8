// The arithmetic of Mirage's probabilistic verifier, made again from its description
// (arXiv:2405.05751, section 5) and the rules of its published kernels: residues modulo 167 and 83
// packed into one number below 13861, one evaluation, at inputs that are a ramp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "graph/op_def.h"
#include "lamina/verify.h"
#include "verify/domains.h"
#include "verify/evaluate.h"

namespace lamina::bench {

struct MirageField {
  static constexpr std::uint32_t kP = 167;
  static constexpr std::uint32_t kQ = 83;  // divides kP - 1
  static constexpr std::uint32_t kPacked = kP * kQ;
  static constexpr std::uint32_t kBase = 3;  // of order 83 modulo 167, always this one

  static std::uint32_t power(std::uint32_t base, std::uint32_t exponent, std::uint32_t modulus) {
    std::uint32_t result = 1;
    for (; exponent > 0; exponent >>= 1, base = base * base % modulus) {
      if ((exponent & 1) != 0) result = result * base % modulus;
    }
    return result;
  }
  // The number with these residues.
  static std::uint32_t pack(std::uint32_t p, std::uint32_t q) {
    constexpr std::uint32_t kOneModP = kQ * 165;  // 0 modulo 83: 83 * 165 = 1 modulo 167
    constexpr std::uint32_t kOneModQ = kP;        // 167 = 1 modulo 83
    static_assert(kOneModP % kP == 1 && kOneModQ % kQ == 1);
    return (p * kOneModP + q * kOneModQ) % kPacked;
  }
  // 0 has the inverse 1.
  static std::uint32_t inverse(std::uint32_t x, std::uint32_t modulus) {
    return x == 0 ? 1 : power(x, modulus - 2, modulus);
  }

  static std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
    return pack(a % kP * (b % kP) % kP, a % kQ * (b % kQ) % kQ);
  }
  static std::uint32_t divide(std::uint32_t a, std::uint32_t b) {
    return pack(a % kP * inverse(b % kP, kP) % kP, a % kQ * inverse(b % kQ, kQ) % kQ);
  }
  // An exponential has the residue 0 modulo q, and can be exponentiated again.
  static std::uint32_t exponential(std::uint32_t x) { return pack(power(kBase, x % kQ, kP), 0); }
  // x e^x for x / (1 + e^-x), with the residue modulo q for both.
  static std::uint32_t silu(std::uint32_t x) {
    return pack(power(kBase, x % kQ, kP) * (x % kQ) % kP, 0);
  }
  static std::uint32_t gelu(std::uint32_t x) {
    return pack(power(kBase, 2 * (x % kQ) % kQ, kP) * (x % kQ) % kP, 0);
  }
  static std::uint32_t relu(std::uint32_t x) {
    return pack(std::max(kP / 2, x % kP), std::max(kQ / 2, x % kQ));
  }
  // Whatever the bounds are.
  static std::uint32_t clamp(std::uint32_t x) {
    return pack(std::clamp(x % kP, kP / 3, 2 * kP / 3), std::clamp(x % kQ, kQ / 3, 2 * kQ / 3));
  }
  // A root where there is one, else a root of -x.
  static std::uint32_t root(std::uint32_t x) {
    return pack(power(x % kP, (kP + 1) / 4, kP), power(x % kQ, (kQ + 1) / 4, kQ));
  }
  static std::uint32_t raise(std::uint32_t x, std::uint32_t exponent) {
    return pack(power(x % kP, exponent, kP), power(x % kQ, exponent, kQ));
  }
  static std::uint32_t input(std::uint32_t number, std::uint32_t element) {
    return (number * 100003u + element) % kPacked;
  }
};

// Packed numbers as formal values: p[0] of one.
class MirageAlgebra final : public Algebra {
 public:
  Formal packed(std::uint64_t value) const {
    Formal x;
    x.algebra = this;
    x.p[0] = value;
    return x;
  }
  static std::uint32_t word(const Formal& x) { return static_cast<std::uint32_t>(x.p[0]); }

  Formal add(const Formal& a, const Formal& b) const override {
    return packed((a.p[0] + b.p[0]) % MirageField::kPacked);
  }
  Formal negate(const Formal& x) const override {
    return packed((MirageField::kPacked - x.p[0]) % MirageField::kPacked);
  }
  Formal multiply(const Formal& a, const Formal& b) const override {
    return packed(MirageField::multiply(word(a), word(b)));
  }
  Formal divide(const Formal& a, const Formal& b) const override {
    return packed(MirageField::divide(word(a), word(b)));
  }
  Formal integer(std::int64_t value) const override {
    constexpr std::int64_t kAll = MirageField::kPacked;
    return packed(static_cast<std::uint64_t>((value % kAll + kAll) % kAll));
  }
  Formal exponential(const Formal& x, bool) const override {
    return packed(MirageField::exponential(word(x)));
  }
  std::optional<Formal> imaginary() const override { return std::nullopt; }
  std::optional<std::int64_t> known_integer(const Formal&) const override { return std::nullopt; }
  bool certainly_equal(const Formal& a, const Formal& b) const override { return a.p[0] == b.p[0]; }
  bool leads(const Formal&) const override { return true; }
  // Only in the formal meaning of operators that MirageDomain then replaces.
  Formal fresh(std::string_view, std::span<const Formal>) const override { return packed(0); }
  Formal greatest(std::span<const Formal>) const override { return packed(0); }
};

// What has a kernel there. Moves of data are taken to be free of faults.
inline bool mirage_supports(const Graph& graph) {
  static const std::set<std::string_view> kOperators = {
      "input", "matmul", "add",   "mul", "div", "exp",  "sqrt",      "silu",
      "gelu",  "relu",   "clamp", "pow", "sum", "mean", "transpose", "slice"};
  return std::all_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const Node& node) { return kOperators.contains(node.op->name); });
}

// The generic interpreter with the kernels of Mirage in place of the formal meanings.
class MirageDomain : public FormalDomain {
 public:
  explicit MirageDomain(const MirageAlgebra& algebra) : FormalDomain(algebra), packed_(algebra) {}

  void enter(const Node&) {}
  void leave(const Node& node, const std::vector<const Array<Formal>*>& in,
             std::vector<Array<Formal>>& out) const {
    if (node.op->name == "pow") {
      each(*in[0], out[0], [&](std::uint32_t x, std::size_t i) {
        const std::size_t at = in[1]->count() == 1 ? 0 : i;
        return MirageField::raise(x, MirageAlgebra::word(in[1]->real.at(at)));
      });
    }
    for (const auto& [name, kernel] : kKernels) {
      if (node.op->name != name) continue;
      each(*in[0], out[0], [&](std::uint32_t x, std::size_t) { return kernel(x); });
    }
  }

 private:
  struct Kernel {
    std::string_view name;
    std::uint32_t (*apply)(std::uint32_t);
  };
  static constexpr std::array<Kernel, 6> kKernels = {{{"exp", MirageField::exponential},
                                                      {"sqrt", MirageField::root},
                                                      {"silu", MirageField::silu},
                                                      {"gelu", MirageField::gelu},
                                                      {"relu", MirageField::relu},
                                                      {"clamp", MirageField::clamp}}};

  template <class Apply>
  void each(const Array<Formal>& in, Array<Formal>& out, Apply apply) const {
    for (std::size_t i = 0; i < out.real.size(); ++i) {
      out.real[i] = packed_.packed(apply(MirageAlgebra::word(in.real.at(i)), i));
    }
  }

  const MirageAlgebra& packed_;
};

// Whether all output elements of both programs agree at the one point.
inline bool mirage_accepts(const Graph& a, const Graph& b) {
  check(mirage_supports(a) && mirage_supports(b), "an operator that has no kernel");
  const MirageAlgebra algebra;
  MirageDomain domain(algebra);
  std::vector<Array<Formal>> inputs;
  for (const Input& input : a.inputs) {
    const Type& type = a.nodes[static_cast<std::size_t>(input.node)].types[0];
    Array<Formal> array{type.dtype, evaluate(type.shape, {}), {}, {}, false};
    for (std::int64_t i = 0; i < array.size(); ++i) {
      array.real.push_back(algebra.packed(MirageField::input(
          static_cast<std::uint32_t>(inputs.size()), static_cast<std::uint32_t>(i))));
    }
    inputs.push_back(std::move(array));
  }
  const auto x = evaluate(a, domain, inputs, {});
  const auto y = evaluate(b, domain, inputs, {});
  for (std::size_t k = 0; k < x.size(); ++k) {
    for (std::size_t i = 0; i < x[k].real.size(); ++i) {
      if (x[k].real[i].p[0] != y[k].real.at(i).p[0]) return false;
    }
  }
  return true;
}

}  // namespace lamina::bench
