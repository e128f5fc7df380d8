// Escaping for HTML and SVG.
#include "base/markup.h"

#include <doctest/doctest.h>

using lamina::escape_markup;

TEST_CASE("markup: entities, control characters, bytes that are not UTF-8") {
  CHECK(escape_markup("a<b>&\"c\"") == "a&lt;b&gt;&amp;&quot;c&quot;");
  CHECK(escape_markup("x\x01y\n") == "x y ");
  CHECK(escape_markup("\xC3\xA9 \xE2\x86\x90") == "\xC3\xA9 \xE2\x86\x90");
  CHECK(escape_markup("\xFF|\xC3|\xE2\x86") ==
        "\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD");
}
