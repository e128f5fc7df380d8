// What a report of an identity check claims.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/verify.h"
#include "num/formal.h"
#include "verify/secret_random.h"

namespace lamina {

struct ReportedPass {
  SecretRandom::Seed seed{};
  std::array<FieldTuple, kLanes> tuples;  // of the same seed and sizes
  PassDigest digest;

  const Sizes& sizes() const { return tuples[0].sizes; }
};

struct ReportedCheck {
  std::string verdict;
  bool bounded = false;  // bits are claimed
  bool witness = false;
  bool shrunk = false;
  bool by_cells = false;  // the verdict `equivalent` rests on cells
  std::int64_t compared = 0;
  std::int64_t uncompared = 0;
  std::map<std::string, std::int64_t> abstracted;
  std::vector<ReportedPass> passes;  // at least one
};

// Throws kInvalidArgument that says what is malformed.
ReportedCheck read_report(std::string_view text);

}  // namespace lamina
