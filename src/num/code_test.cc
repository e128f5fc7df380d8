// The text that the number type Code writes.
#include "num/code.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>

using namespace lamina;

TEST_CASE("operations become statements in order") {
  CodeSink sink;
  const Code x{&sink, "x"};
  const Code y{&sink, "y"};
  const Code z = max(x * y + like(x, 0.5), -exp(x));
  CHECK(z.name == sink.lines().back().substr(5, z.name.size()));
  std::string text;
  for (const std::string& line : sink.lines()) text += line + "\n";
  CHECK(text.find("x * y") != std::string::npos);
  CHECK(text.find("lm_like(x, 0x1p-1)") != std::string::npos);
  CHECK(text.find("lm_exp(x)") != std::string::npos);
  CHECK(text.find("lm_max(") != std::string::npos);
}

TEST_CASE("literals read back exactly") {
  for (const double value : {0.1, -3.0, 1e-310, 1.7976931348623157e308}) {
    CHECK(std::strtod(literal(value).c_str(), nullptr) == value);
  }
  CHECK(literal(-std::numeric_limits<double>::infinity()) == "-__builtin_inf()");
}

TEST_CASE("names of different sinks do not meet") {
  CodeSink a("a");
  CodeSink b("b");
  CHECK(a.emit("1") == "a0");
  CHECK(a.emit("1") == "a1");
  CHECK(b.emit("1") == "b0");
}
