// The table of operators and its document.
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>

#include "graph/op_def.h"

using namespace lamina;

namespace {

// The rows "| `name` | ..." of docs/operators.md, by name.
std::map<std::string, std::string, std::less<>> documented() {
  std::map<std::string, std::string, std::less<>> rows;
  std::ifstream file("docs/operators.md");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    rows[line.substr(3, line.find('`', 3) - 3)] = line;
  }
  return rows;
}

}  // namespace

TEST_CASE("docs/operators.md lists every operator with its attributes, and no other") {
  const auto rows = documented();
  REQUIRE(!rows.empty());
  std::set<std::string_view> names;
  for (const OpDef& op : all_ops()) {
    CAPTURE(op.name);
    CHECK(names.insert(op.name).second);
    const auto row = rows.find(op.name);
    REQUIRE(row != rows.end());
    for (const AttrSpec& attr : op.attrs) {
      CAPTURE(attr.name);
      CHECK(row->second.find("`" + std::string(attr.name) + "`") != std::string::npos);
    }
  }
  CHECK(rows.size() == names.size());
}

// So that whoever meets an operator can compute, check and compile it.
TEST_CASE("every operator has one meaning") {
  for (const OpDef& op : all_ops()) {
    CAPTURE(op.name);
    const bool scalar = op.scalar.real != nullptr || op.scalar.whole != nullptr;
    const int meanings = int{scalar} + int{op.loop_form != nullptr} +
                         int{op.order_form != nullptr} + int{op.move_form != nullptr} +
                         int{op.expand != nullptr};
    const bool by_interpreter =
        op.name == "input" || (op.kind == Kind::kRegion && op.expand == nullptr);
    CHECK(meanings == (by_interpreter ? 0 : 1));
  }
}
