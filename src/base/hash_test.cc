// Keys differ when their parts differ.
#include "base/hash.h"

#include <doctest/doctest.h>

#include <set>

using namespace lamina;

TEST_CASE("different sequences of parts have different hashes") {
  std::set<std::string> seen;
  const auto fresh = [&](const Hasher& hasher) { return seen.insert(hasher.hex()).second; };
  CHECK(fresh(Hasher()));
  CHECK(fresh(Hasher().add("")));
  CHECK(fresh(Hasher().add("").add("")));
  CHECK(fresh(Hasher().add("ab").add("c")));
  CHECK(fresh(Hasher().add("a").add("bc")));
  CHECK(fresh(Hasher().add(std::string_view("ab\0", 3)).add("c")));
  for (std::int64_t i = 0; i < 20000; ++i) REQUIRE(fresh(Hasher().add(i)));
  std::string text(100, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      REQUIRE(fresh(Hasher().add(changed)));
    }
  }
  CHECK_FALSE(fresh(Hasher().add("ab").add("c")));
}
