#!/usr/bin/env python3
"""Proves that each rule of lint.py fires on a tree that breaks it, and only then."""
import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import cpp_scan
import lint


class Tree(unittest.TestCase):
    """Writes small trees and lints them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def lint(self, files, headers=False):
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            if path.endswith((".cc", ".h")) and not text.startswith("//!"):
                text = "// A file of a test.\n" + text
            if path.endswith(".h") and "#pragma" not in text and not text.startswith("//!"):
                text += "#pragma once\n"
            (self.root / path).write_text(text, encoding="utf-8")
        return lint.lint(self.root, headers)

    def assert_fires(self, rule, files, times=1, headers=False):
        problems, _ = self.lint(files, headers)
        self.assertEqual([p.rule for p in problems], [rule] * times, list(map(str, problems)))
        return problems

    def assert_clean(self, files, headers=False):
        problems, counted = self.lint(files, headers)
        self.assertEqual(list(map(str, problems)), [])
        return counted


class Layers(Tree):
    def test_upward_includes_fire(self):
        for path, header in (
                ("base/a.cc", "num/b.h"), ("kernels/a.cc", "base/b.h"), ("tensor/a.h", "graph/b.h"),
                ("graph/ops/table.cc", "exec/b.h"), ("io/a.cc", "exec/b.h"),
                ("exec/cpu/a.cc", "io/b.h"), ("verify/a.cc", "nn/b.h"),
                ("verify/a.cc", "io/b.h"), ("nn/a.cc", "verify/b.h"),
                ("search/a.cc", "serve/b.h"), ("cli/a.cc", "graph/b.h"),
                ("base/a.cc", "lamina/graph.h"), ("exec/a_test.cc", "search/b.h")):
            with self.subTest(path=path, header=header):
                self.setUp()
                problem, = self.assert_fires("layer", {f"src/{path}": f'#include "{header}"\n'})
                self.assertEqual(problem.line, 2)

    def test_downward_includes_pass(self):
        for path, header in (
                ("base/a.cc", "base/b.h"), ("base/a.h", "lamina/error.h"),
                ("kernels/a.cc", "num/b.h"),
                ("kernels/a_test.cc", "base/b.h"), ("nn/train/a.cc", "io/b.h"),
                ("verify/a.cc", "exec/ref/b.h"), ("search/a.cc", "verify/b.h"),
                ("serve/http/a.cc", "nn/b.h"), ("cli/a.cc", "lamina/optimize.h"),
                ("cli/a.cc", "base/b.h")):
            with self.subTest(path=path, header=header):
                self.setUp()
                self.assert_clean({f"src/{path}": f'#include "{header}"\n'})

    def test_folders_outside_src(self):
        self.assert_clean({"tests/golden/a.cc": '#include "search/b.h"\n'})
        self.assert_fires("layer", {"examples/a.cc": '#include "graph/b.h"\n'})

    def test_unknown_names(self):
        self.assert_fires("layer", {"src/utils/a.cc": ""})
        self.setUp()
        self.assert_fires("layer", {"src/base/a.cc": '#include "lamina/x.h"\n'})

    def test_include_path(self):
        self.assert_fires("include-path", {"src/base/a.cc": '#include "b.h"\n'})

    def test_public_headers(self):
        self.assert_clean({"include/lamina/a.h": "#include <vector>\n#include <lamina/b.h>\n"})
        for name in ('"base/a.h"', "<fmt/core.h>", "<stdint.h>"):
            self.assert_fires("public-include", {"include/lamina/a.h": f"#include {name}\n"})

    def test_heavy_headers(self):
        for name in ("nlohmann/json.hpp", "httplib.h", "mpi.h", "CLI/CLI.hpp"):
            self.assert_fires("heavy-include", {"src/io/a.h": f"#include <{name}>\n"})
        self.assert_clean({"src/io/a.h": "", "src/io/a.cc": "#include <nlohmann/json.hpp>\n"})
        self.assert_clean({"src/io/onnx_read.cc": "#include <onnx/onnx_pb.h>\n"})
        self.assert_fires("heavy-include", {"src/nn/a.cc": "#include <onnx/onnx_pb.h>\n"})

    def test_includes_in_comments_and_raw_strings_do_not_count(self):
        self.assert_clean({"src/base/a.cc": '/*\n#include "io/b.h"\n*/\n'
                                            'auto s = R"(\n#include "io/b.h"\n)";\n'})

    def test_op_table(self):
        table = {"src/graph/ops/table.cc": "OpDef add_op();\n", "src/graph/ops/add.cc": ""}
        self.assert_clean(table | {"src/graph/ops/add_test.cc": ""})
        self.assert_fires("op-table", {"src/graph/ops/softmax.cc": ""})


class Words(Tree):
    def test_forbidden_words(self):
        for code in ("assert(x);", "std::abort();", "std::exit(1);", "exit(1);", "_exit(1);",
                     "auto p = new int(3);", "delete p;", "delete[] p;"):
            with self.subTest(code=code):
                self.assert_fires("forbidden", {"src/base/a.cc": f"void f() {{ {code} }}\n"})

    def test_words_that_only_look_forbidden(self):
        self.assert_clean({"src/base/a.cc": """
static_assert(sizeof(int) == 4);
struct A { A(const A&) = delete; void exit_scope(); int new_value; };  // new things, delete old
void f(A& a) { a.exit_scope(); g("assert(x); new int"); h(R"x(abort(); " delete p;)x"); }
"""})
        self.assert_clean({"src/cli/main.cc": "int main() { std::exit(1); }\n"})

    def test_headers_our_tools_lack(self):
        for name in ("ranges", "source_location", "format"):
            self.assert_fires("forbidden", {"src/base/a.cc": f"#include <{name}>\n"})

    def test_todo(self):
        self.assert_fires("todo", {"src/base/a.cc": "// TODO: later\n"})
        self.assert_clean({"src/base/a.cc": "// TODO(#12): later\n"})

    def test_opening_comment(self):
        self.assert_fires("opening", {"src/base/a.cc": "//!\n#include <vector>\n"})
        self.assert_fires("opening", {"src/base/a.cc": "", "tools/x.py": "#!/bin/x\nimport os\n"})
        self.assert_clean({"tools/x.py": '#!/bin/x\n"""Says what."""\n'})

    def test_pragma_once(self):
        self.assert_fires("pragma-once", {"src/base/a.h": "//! A header.\n"})
        self.assert_clean({"src/base/a.h": "", "src/kernels/a-inl.h": "//! Included many times.\n"})


def body(lines):
    return "  x += 1;\n" * lines


class Sizes(Tree):
    def test_function_length(self):
        self.assert_clean({"src/base/a.cc": f"void f(int x) {{\n{body(78)}}}\n"})
        problem, = self.assert_fires(
            "function-length", {"src/base/a.cc": f"\nvoid f(int x) {{\n{body(79)}}}\n"})
        self.assertEqual((problem.line, problem.text), (3, "f has 81 lines, at most 80"))

    def test_functions_over_the_aim_are_counted(self):
        counted = self.assert_clean({"src/base/a.cc": f"void f(int x) {{\n{body(40)}}}\n"})
        self.assertEqual(list(counted), ["functions over 40 lines"])

    def test_parameters_and_nesting_are_counted(self):
        many = "void f(int a, std::map<int, int> b, int c, int d, int e, int g) {}\n"
        five = "void f(int a, std::map<int, int> b, int c, int d, int e = g(1, 2)) {}\n"
        deep = "void f() { " + "if (x) { " * 6 + "}" * 6 + " }\n"
        counted = self.assert_clean({"src/base/a.cc": many + five + deep})
        self.assertEqual({rule: len(found) for rule, found in counted.items()},
                         {"functions over 5 parameters": 1, "functions nested over 5": 1})

    def test_file_length_and_columns(self):
        self.assert_fires("file-length", {"src/base/a.cc": "int x;\n" * 700})
        self.assert_fires("columns", {"src/base/a.cc": "//" + "x" * 99 + "\n"})
        self.assert_clean({"src/base/a.cc": "//" + "é" * 98 + "\n" + "int x;\n" * 698})

    def test_allow_list(self):
        long = {"src/base/a.cc": f"void f(int x) {{\n{body(90)}}}\n"}
        self.assert_clean(long | {"tools/lint_allow.txt": "src/base/a.cc:f a table\n"})
        self.assert_fires("allow-list", {"tools/lint_allow.txt": "src/base/a.cc:f\n"})
        self.assert_fires("allow-list", {"src/base/a.cc": "",
                                         "tools/lint_allow.txt": "src/base/a.cc:f a table\n"})

    def test_allow_list_only_shrinks(self):
        files, entries = {}, ""
        for i in range(lint.ALLOW_LIMIT + 1):
            files[f"src/base/a{i}.cc"] = f"void f(int x) {{\n{body(90)}}}\n"
            entries += f"src/base/a{i}.cc:f a table\n"
        self.assert_fires("allow-list", files | {"tools/lint_allow.txt": entries})

    def test_unbalanced_braces(self):
        self.assert_fires("braces", {"src/base/a.cc": "void f() {\n"})


TRICKY = r'''
namespace lamina::base {
namespace {
constexpr int kTable[2][2] = {{1, 2}, {3, 4}};
const Table kOps{{"}", '}', 1'000}, {R"x(}}} " )x", '"', 2}};
enum class Code : int { kOne, kTwo };
template <class T, int N = 3>
struct Pair : Left<T>, Right {
  explicit Pair(int x) : a_{x}, b_(f(x, {1})) {
    a_ += 1;
  }
  bool operator==(const Pair&) const = default;
  T operator()(int x, int y) const { return x; }
  Pair& operator=(Pair&& other) noexcept {
    return *this;
  }
 private:
  T a_{}, b_ = {};
};
}  // namespace
auto plain(Options options = {}, int n = 2) -> std::vector<int> {
  auto twice = [&](int x) mutable -> int { return 2 * x; };
  struct Local { int x = 0; int get() const { return x; } };
  std::sort(v.begin(), v.end(), [](auto& a, auto& b) {
    if (a) { return 1; } else { return 2; }
  });
  for (int i = 0; i < n; ++i) call(Thing{.a = 1, .b = {2}});
  return {1, 2};  // }
}
const OpDef kAdd = {
    .name = "add",
    .shape = [](const Shapes& s) {
      return s[0];
    },
};
#define BROKEN(x) \
  if (x) {
template <class T>
  requires std::integral<T> && (sizeof(T) >= 4)
T constrained(T x) {
  return x;
}
template <class T>
concept Number = requires(T x) { { x + x } -> std::same_as<T>; };
extern "C" { int c_function(void) { return 1; } }
TEST_SUITE("slow") {
TEST_CASE("adds up, twice") {
  CHECK(true);
}
}
}
'''


class Scanner(unittest.TestCase):
    def test_tricky_file(self):
        functions, balanced = cpp_scan.find_functions(TRICKY)
        self.assertTrue(balanced)
        self.assertEqual([(f.name, f.lines, f.parameters, f.nesting) for f in functions], [
            ("Pair", 3, 1, 0), ("operator_", 1, 2, 0), ("operator_", 3, 1, 0), ("plain", 9, 2, 2),
            ("shape:lambda", 3, 0, 0), ("constrained", 5, 1, 0), ("c_function", 1, 0, 0),
            ("TEST_CASE:adds_up_twice", 3, 0, 0)])

    def test_strip_keeps_lines_and_length(self):
        stripped = cpp_scan.strip(TRICKY)
        self.assertEqual((len(stripped), stripped.count("\n")), (len(TRICKY), TRICKY.count("\n")))
        self.assertNotIn("namespace\n", stripped)


class Headers(Tree):
    def test_header_that_needs_another_fires(self):
        self.assert_fires("header-alone", {"src/base/a.h": "std::string f();\n"}, headers=True)

    def test_header_that_a_source_includes_first_is_left_to_the_build(self):
        needy = {"src/base/a.h": "std::string f();\n"}
        own = '#include "base/a.h"\n'
        self.assert_clean(needy | {"src/base/a.cc": own}, headers=True)
        late = "#include <string>\n" + own
        self.assert_fires("header-alone", {"src/base/a.cc": late}, headers=True)

    def test_good_header_is_remembered_until_something_it_includes_changes(self):
        good = {"include/lamina/b.h": "struct B {};\n",
                "src/base/a.h": "#include <string>\nstruct A;\n"}
        self.assert_clean(good, headers=True)
        with mock.patch("lint.subprocess.run", side_effect=OSError("compiled again")):
            self.assert_clean(good, headers=True)
            with self.assertRaises(OSError):
                self.lint({"src/base/a.h": "struct A {};\n"}, headers=True)

    def test_change_of_an_included_header_counts(self):
        self.assert_clean({"src/base/a.h": '#include "base/b.h"\nB f();\n',
                           "src/base/b.h": "struct B {};\n"}, headers=True)
        self.assert_fires("header-alone", {"src/base/b.h": "struct C {};\n"}, headers=True)


class Program(Tree):
    def run_main(self):
        output = io.StringIO()
        with mock.patch.object(sys, "argv", ["lint.py", "--root", str(self.root)]):
            with contextlib.redirect_stdout(output):
                return lint.main(), output.getvalue()

    def test_exit_status_and_message(self):
        self.lint({"src/base/a.cc": "// TODO\n"})
        status, output = self.run_main()
        self.assertEqual(status, 1)
        self.assertIn("src/base/a.cc:2: todo: write it with an issue number", output)
        self.lint({"src/base/a.cc": ""})
        self.assertEqual(self.run_main(), (0, "lint: ok\n"))


if __name__ == "__main__":
    unittest.main()
