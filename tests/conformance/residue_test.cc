// Polynomial operators over prime fields agree with exact integers.
#include <doctest/doctest.h>

#include <array>

#include "cases.h"
#include "num/residue_field.h"
#include "verify/domains.h"

using namespace lamina;
using namespace lamina::conformance;

namespace {

// Not random: a polynomial draws nothing fresh, and this test would notice.
std::uint64_t refuse(void*) { fail(ErrorCode::kInternal, "a polynomial drew a random value"); }

// q = 1009 and p = 10 q + 1 are prime; 2^10 has the order q mod p.
const PrimePair kPair{10091, 1009, 1024};
const ResidueField kField({kPair, kPair, kPair, kPair}, refuse, nullptr);

std::vector<Array<Formal>> to_residues(const std::vector<Tensor>& tensors) {
  std::vector<Array<Formal>> arrays;
  for (const Tensor& tensor : tensors) {
    Array<Formal> array{DType::kF64, tensor.shape(), {}, {}, false};
    for (const std::int64_t x : tensor.to_integers()) array.real.push_back(kField.integer(x));
    arrays.push_back(std::move(array));
  }
  return arrays;
}

// The same operator on f64 (as residues) and on i64 (exactly).
void check_polynomial(const Case& from, std::mt19937_64& random) {
  Case floats = with_floats(from, DType::kF64);
  Case whole = from;
  for (Type& type : whole.sample.inputs) type.dtype = DType::kI64;
  whole.sample.integer_ranges.assign(whole.sample.inputs.size(), {-1000, 1000});
  const std::vector<Tensor> inputs = random_inputs(whole, random);
  const std::vector<std::int64_t> want = run_reference(graph_of(whole), inputs)[0].to_integers();
  FormalDomain domain(kField);
  const auto got =
      Interpreter<FormalDomain>(domain).run(graph_of(floats), to_residues(inputs), {}).outputs[0];
  REQUIRE(got.real.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(got.real[i].has_q());
    CHECK(got.real[i].agrees(kField.integer(want[i])));
  }
}

}  // namespace

TEST_CASE("residues of polynomials are the residues of the integers") {
  constexpr std::array<std::string_view, 6> kPolynomials = {"add", "sub",    "mul",
                                                            "neg", "matmul", "sum"};
  std::mt19937_64 random(6);
  for (const std::string_view name : kPolynomials) {
    int tried = 0;
    for (const Case& each : all_cases()) {
      if (each.op->name != name || each.sample.inputs[0].dtype != DType::kF32) continue;
      try_case(each, [&](const Case& c) { check_polynomial(c, random); });
      ++tried;
    }
    CHECK(tried > 0);
  }
}
