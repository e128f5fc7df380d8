#!/usr/bin/env python3
"""Checks layers, sizes and habits that the compiler does not (docs/architecture.md).

lint.py            all text rules
lint.py --headers  and compile alone every header that no source proves to stand alone by
                   including it first (remembered in build/lint)
lint.py --verbose  and list what is only counted
"""
import argparse
import hashlib
import itertools
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cpp_scan

# Who may include whom. A folder always includes itself.
LAYERS = {"base": set(), "num": set(), "kernels": {"num"}}
LAYERS["tensor"] = {"base", "num", "kernels"}
LAYERS["graph"] = {"tensor"} | LAYERS["tensor"]
LAYERS["io"] = LAYERS["exec"] = LAYERS["draw"] = {"graph"} | LAYERS["graph"]
LAYERS["nn"] = {"io", "exec"} | LAYERS["io"]
LAYERS["verify"] = {"exec"} | LAYERS["exec"]
for capability in ("search", "pipeline", "serve", "quant"):
    LAYERS[capability] = {"verify", "nn"} | LAYERS["nn"]
LAYERS["cli"] = {"base"}

# The layer that defines what a public header declares: no layer below it may include the header.
PUBLIC_HEADERS = {
    "error": "base", "tensor": "tensor", "graph": "graph", "ops": "graph", "device": "exec",
    "bench": "exec", "draw": "draw", "io": "io", "rules": "io", "nn": "nn", "verify": "verify",
    "identity": "verify", "numeric": "verify", "replay": "verify", "optimize": "search",
    "cuda": "search", "threads": "exec", "schedule": "pipeline",
    "pipeline_run": "pipeline", "train": "nn",
    "machine": "exec", "pipeline": "pipeline", "serve": "serve", "quantize": "quant",
}

HEAVY = re.compile(
    r"nlohmann/|httplib\.h|mpi\.h|onnx/|google/protobuf/|CLI/|CLI11|pybind11/|nanobind/")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
FORBIDDEN_HEADERS = {"ranges", "source_location", "format"}
FORBIDDEN = [
    (re.compile(r"(?<![\w:])assert\s*\("), "use require() or check(), not assert"),
    (re.compile(r"(?<!\w)abort\s*\("), "use require() or check(), not abort"),
    (re.compile(r"(?<![\w.>])(?:std::)?_?(?:quick_)?exit\s*\("), "never exit in the library"),
    (re.compile(r"(?<!operator )\bnew\s+[\w:(]"), "no raw new: use values or make_unique"),
    (re.compile(r"(?<!operator )\bdelete\b\s*(?:\[\s*\])?\s*[\w(*]"), "no raw delete"),
]
TODO = re.compile(r"\bTODO\b(?!\(#\d+\))")

FUNCTION_LINES, FUNCTION_AIM, FILE_LINES, COLUMNS, PARAMETERS, NESTING = 80, 40, 700, 100, 5, 5
ALLOW_LIMIT = 5  # Entries that tools/lint_allow.txt may have. Only ever lower it.

FOLDERS = ("include", "src", "tests", "bench", "examples", "python", "tools", ".ci")
CPP = (".cc", ".h", ".cu", ".cuh")


class Problem(NamedTuple):
    path: str
    line: int
    rule: str
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


class Source:
    """One file: its path relative to the root, its text, and its text without comments."""

    def __init__(self, root, path):
        self.path = path
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")
        self.is_cpp = path.endswith(CPP)
        self.is_test = path.endswith(("_test.cc", "_bench.cc"))
        self.code = cpp_scan.strip(self.text) if self.is_cpp else ""

    def includes(self):
        """(line, is_system, name) of each #include that is not in a comment or raw string."""
        code = cpp_scan.strip(self.text, keep_strings=True)
        for match in INCLUDE.finditer(code):
            yield self.line_at(match.start(2)), match[1] == "<", match[2]

    def line_at(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def layer(self):
        parts = self.path.split("/")
        return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def read_tree(root):
    sources = []
    for folder in FOLDERS:
        for at, folders, names in os.walk(root / folder):
            folders[:] = sorted(f for f in folders if f not in ("__pycache__", ".venv", "build"))
            for name in sorted(names):
                path = str((Path(at) / name).relative_to(root))
                if name.endswith(CPP + (".py", ".sh")) or path in ("tools/run", ".ci/run"):
                    sources.append(Source(root, path))
    return sources


def allowed_layers(source):
    """The layers that a file may include, or None for all of them."""
    layer = source.layer()
    if layer:
        own = LAYERS.get(layer, set()) | {layer}
        return own | {"base"} if source.is_test else own
    return {"examples": set(), "python": {"base"}}.get(source.path.split("/")[0])


def check_layers(source):
    layer, allowed = source.layer(), allowed_layers(source)
    if source.path.startswith("src/") and layer not in LAYERS:
        yield Problem(source.path, 1, "layer", "folder is not in the table of tools/lint.py")
        return
    for line, is_system, name in source.includes():
        folder, _, rest = name.partition("/")
        if source.path.startswith("include/"):
            if folder != "lamina" and not (is_system and re.fullmatch(r"[a-z0-9_]+", name)):
                yield Problem(source.path, line, "public-include",
                              f"{name}: public headers include std and lamina headers only")
        elif folder == "lamina":
            home = PUBLIC_HEADERS.get(rest.removesuffix(".h"))
            if home is None:
                yield Problem(source.path, line, "layer",
                              f"{name} has no layer in PUBLIC_HEADERS of tools/lint.py")
            elif layer not in (None, "cli") and home not in allowed:
                yield Problem(source.path, line, "layer",
                              f"{layer} may not include {name} (layer {home})")
        elif folder in LAYERS and rest:
            if allowed is not None and folder not in allowed:
                yield Problem(source.path, line, "layer",
                              f"{layer or source.path.split('/')[0]} may not include {name}")
        elif not is_system and source.path.startswith("src/"):
            yield Problem(source.path, line, "include-path",
                          f"{name}: write the path from src/ or include/, system headers in <>")


def check_headers_used(source):
    for line, _, name in source.includes():
        if HEAVY.match(name) and source.path.endswith((".h", ".cuh")):
            yield Problem(source.path, line, "heavy-include", f"{name} belongs in a .cc file")
        if re.match(r"onnx/|google/protobuf/", name) and not re.match(
                r"src/io/onnx|tests/", source.path):
            yield Problem(source.path, line, "heavy-include", f"{name}: only src/io/onnx*.cc")
        if name in FORBIDDEN_HEADERS:
            yield Problem(source.path, line, "forbidden", f"our tools lack <{name}>")
    if source.path.endswith(".h") and not source.path.endswith("-inl.h"):
        if "#pragma once" not in source.text:
            yield Problem(source.path, 1, "pragma-once", "header without #pragma once")


def check_words(source):
    if source.path.startswith(("src/", "include/")) and source.path != "src/cli/main.cc":
        for pattern, text in FORBIDDEN:
            for match in pattern.finditer(source.code):
                yield Problem(source.path, source.line_at(match.start()), "forbidden", text)
    if not source.path.startswith("tools/lint"):
        for match in TODO.finditer(source.text):
            yield Problem(source.path, source.line_at(match.start()), "todo",
                          "write it with an issue number, TODO(#12), or not at all")


def check_opening(source):
    lines = [line for line in source.text.split("\n") if not line.startswith("#!")]
    first = next((line for line in lines if line.strip()), "")
    marks = r"(?://|/\*)" if source.is_cpp else r'(?:#|""")'
    if not re.match(marks + r"\W*\w+.*\w", first):
        yield Problem(source.path, 1, "opening", "begin with a comment: what does the file hold?")


def check_size(source):
    lines = source.text.rstrip("\n").split("\n")
    if len(lines) > FILE_LINES:
        yield Problem(source.path, len(lines), "file-length",
                      f"{len(lines)} lines, at most {FILE_LINES}")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield Problem(source.path, number, "columns", f"{len(line)} columns, at most {COLUMNS}")


def check_functions(source, counted):
    """Yields failures; adds what is only counted to `counted`: rule -> problems."""
    if not source.is_cpp:
        return
    functions, balanced = cpp_scan.find_functions(source.text)
    if not balanced:
        yield Problem(source.path, 1, "braces", "braces do not match (half a block in an #if?)")
    for f in functions:
        if f.lines > FUNCTION_LINES:
            yield Problem(source.path, f.line, "function-length",
                          f"{f.name} has {f.lines} lines, at most {FUNCTION_LINES}")
        for rule, value, limit, unit in (
                (f"functions over {FUNCTION_AIM} lines", f.lines, FUNCTION_AIM, "lines"),
                (f"functions over {PARAMETERS} parameters", f.parameters, PARAMETERS, "parameters"),
                (f"functions nested over {NESTING}", f.nesting, NESTING, "levels")):
            if value > limit:
                problem = Problem(source.path, f.line, "warning", f"{f.name} has {value} {unit}")
                counted.setdefault(rule, []).append(problem)


def check_op_table(root):
    table = root / "src/graph/ops/table.cc"
    listed = table.read_text(encoding="utf-8") if table.exists() else ""
    for file in sorted((root / "src/graph/ops").glob("*.cc")):
        name = file.stem
        if name == "table" or name.endswith(("_test", "_bench")):
            continue
        if not re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", listed):
            yield Problem(f"src/graph/ops/{file.name}", 1, "op-table", "not listed in ops/table.cc")


def apply_allow_list(root, problems):
    """Drops the length problems that tools/lint_allow.txt excuses; the list itself is checked."""
    path, kept, used = "tools/lint_allow.txt", [], set()
    text = (root / path).read_text(encoding="utf-8") if (root / path).exists() else ""
    entries = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            key, _, reason = line.partition(" ")
            entries[key] = number
            if not reason.strip():
                kept.append(Problem(path, number, "allow-list", f"{key} has no reason"))
    for problem in problems:
        name = problem.text.split(" ")[0] if problem.rule == "function-length" else "file"
        key = f"{problem.path}:{name}"
        if problem.rule in ("function-length", "file-length") and key in entries:
            used.add(key)
        else:
            kept.append(problem)
    for key in entries.keys() - used:
        kept.append(Problem(path, entries[key], "allow-list", f"{key} is not needed any more"))
    if len(entries) > ALLOW_LIMIT:
        kept.append(Problem(path, 1, "allow-list",
                            f"{len(entries)} entries, at most {ALLOW_LIMIT}: it may only shrink"))
    return kept


def header_hash(path, by_path, seen):
    """Hash of a header and of all our headers that it includes."""
    seen.add(path)
    digest = hashlib.sha256(by_path[path].text.encode())
    for _, _, name in by_path[path].includes():
        for candidate in (f"include/{name}", f"src/{name}"):
            if candidate in by_path and candidate not in seen:
                digest.update(header_hash(candidate, by_path, seen).encode())
    return digest.hexdigest()


def first_includes(sources):
    """Headers that a source of the build includes first: the build compiles them alone."""
    first = set()
    for source in sources:
        if source.path.startswith("src/") and source.path.endswith(".cc"):
            for _, _, name in itertools.islice(source.includes(), 1):
                first |= {f"include/{name}", f"src/{name}"}
    return first


def check_headers_alone(root, sources):
    """Compiles headers alone; those that passed are remembered by hash in build/lint."""
    by_path = {source.path: source for source in sources}
    built = first_includes(sources)
    headers = [p for p in by_path if p.startswith(("include/", "src/")) and p.endswith(".h")
               and not p.endswith("-inl.h") and p not in built]
    hashes = {path: header_hash(path, by_path, set()) for path in headers}
    memory = root / "build/lint/headers.txt"
    good = set(memory.read_text().split()) if memory.exists() else set()

    def compile_one(path):
        flags = "-std=c++20 -fsyntax-only -Wall -Wextra -Werror -Wno-missing-field-initializers"
        command = [os.environ.get("CXX", "g++"), *flags.split(), "-Iinclude", "-Isrc", "-xc++", "-"]
        name = path.split("/", 1)[1]
        return subprocess.run(command, input=f'#include "{name}"\n', cwd=root, text=True,
                              capture_output=True, check=False)

    todo = [path for path in headers if hashes[path] not in good]
    with ThreadPoolExecutor(2) as pool:
        for path, result in zip(todo, pool.map(compile_one, todo)):
            if result.returncode == 0:
                good.add(hashes[path])
            else:
                errors = [line for line in result.stderr.split("\n") if "error:" in line]
                yield Problem(path, 1, "header-alone", (errors or [result.stderr])[0].strip())
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text("\n".join(sorted(good & set(hashes.values()))) + "\n")


def lint(root, headers=False):
    """(problems, counted) of the tree at `root`."""
    problems, counted = [], {}
    sources = read_tree(root)
    for source in sources:
        if source.is_cpp:
            for check in (check_layers, check_headers_used, check_words):
                problems += check(source)
        problems += check_opening(source)
        problems += check_size(source)
        problems += check_functions(source, counted)
    problems += check_op_table(root)
    problems = apply_allow_list(root, problems)
    if headers:
        problems += check_headers_alone(root, sources)
    return sorted(problems), counted


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--headers", action="store_true", help="compile headers alone")
    parser.add_argument("--verbose", action="store_true", help="list what is only counted")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    problems, counted = lint(options.root, options.headers)
    for rule, found in sorted(counted.items()):
        if options.verbose or "parameters" in rule:
            print(*found, sep="\n")
        print(f"lint: {len(found)} {rule}")
    for problem in problems:
        print(problem)
    print(f"lint: {len(problems)} problems" if problems else "lint: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
