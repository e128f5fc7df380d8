// Known answers of Philox4x32-10: file kat_vectors of Random123 1.14.
#include "num/philox.h"

#include <doctest/doctest.h>

using namespace lamina::num;

namespace {

using Words = std::array<Whole, 4>;

}  // namespace

TEST_CASE("Philox gives the words of the Random123 test vectors") {
  CHECK(philox<Whole>({0, 0, 0, 0}, {0, 0}) ==
        Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr Whole kOnes = 0xffffffff;
  CHECK(philox<Whole>({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox<Whole>({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}
