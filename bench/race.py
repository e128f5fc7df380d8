#!/usr/bin/env python3
"""Races programs against their peers in one interleaved run.

  bench/race.py programs [--dtypes f32,bf16] [--threads 2] [--lamina build/release/lamina]
  bench/race.py model FILE --onnx FILE.onnx --data FOLDER [--threads 1,2]

Contenders are processes that wait for their turn (peers/protocol.py); they run A B C A B C ..., so
that the drift of a shared machine meets all alike. Medians are quoted. Outputs are compared before
anything is timed. Writes bench/results/<name>.json and prints a table in Markdown.
Needs tools/run peers once (ONNX Runtime, PyTorch).
"""
import argparse
import json
import math
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
sys.path.insert(0, str(PEERS))


class Contender:
    def __init__(self, name, command):
        self.name, self.times = name, []
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, cwd=PEERS)
        self.expect("ready")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def expect(self, word):
        line = self.process.stdout.readline().strip()
        while line and line != word:
            line = self.process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"{self.name}: no answer; exit status {self.process.wait()}")

    def run(self):
        self.times.append(float(self.ask("run")))

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        if self.ask(f"save {folder}") != "saved":
            raise RuntimeError(f"{self.name}: outputs were not saved")

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def median(self):
        return statistics.median(self.times)

    def spread(self):
        quartiles = statistics.quantiles(self.times, n=4)
        return (quartiles[2] - quartiles[0]) / self.median()


def race(contenders, seconds, at_most=400):
    """Rounds of one run each until every contender has had about `seconds` in the mean."""
    rounds, spent = 0, 0.0
    while rounds < 9 or (spent < seconds * 1e3 * len(contenders) and rounds < at_most):
        for contender in contenders:
            contender.run()
            spent += contender.times[-1]
        rounds += 1


def worst_error(got, want):
    """Largest |got - want| over (|want| + row mean of |want|), as in docs/numerics.md."""
    import numpy
    got, want = got.astype(numpy.float64), want.astype(numpy.float64)
    scale = abs(want) + abs(want).mean(-1, keepdims=True)
    return float((abs(got - want) / numpy.maximum(scale, 1e-300)).max())


def compare(contenders, folder, bound):
    """Everybody against the last contender (a peer)."""
    import numpy
    for contender in contenders:
        contender.save(folder / contender.name)
    files = sorted((folder / contenders[-1].name).iterdir())
    worst = 0.0
    for contender in contenders[:-1]:
        for file in files:
            error = worst_error(numpy.load(folder / contender.name / file.name), numpy.load(file))
            worst = max(worst, error)
            if not error <= bound:
                raise SystemExit(f"{contender.name} differs from {contenders[-1].name} "
                                 f"by {error:.2e} > {bound:.2e}")
    return worst


def lamina_serve(args, model, threads, rotate, data):
    return [args.lamina, "bench", model, "--serve", "--threads", threads, "--rotate-bytes", rotate,
            "--data", data]


def make_data(name, folder):
    import numpy
    from programs import SHAPES
    random = numpy.random.default_rng(7)
    inputs, weights = SHAPES[name]
    arrays = {n: random.uniform(-1, 1, s).astype(numpy.float32) for n, s in inputs.items()}
    for n, s in weights.items():
        arrays[n] = (random.uniform(-1, 1, s) / math.sqrt(s[0])).astype(numpy.float32)
    path = folder / "data" / name
    path.mkdir(parents=True, exist_ok=True)
    for n, array in arrays.items():
        numpy.save(path / f"{n}.npy", array)
    return path


def optimise(args, program, threads, folder):
    out = folder / "optimised"
    subprocess.run([args.lamina, "optimize", program, "-o", out, "--threads", str(threads),
                    "--budget", str(args.budget)], check=True, stdout=subprocess.DEVNULL)
    return out / "graph.lam"


def race_program(args, name, dtype, threads, folder):
    data = make_data(name, folder)
    source = ROOT / "examples" / "programs" / f"{name}_{dtype}.lam"
    best = optimise(args, source, threads, folder / f"{name}_{dtype}")
    rotate = str(args.rotate_bytes)
    contenders = [
        Contender("lamina", lamina_serve(args, best, threads, rotate, data)),
        Contender("unfused", lamina_serve(args, source, threads, rotate, data)),
        Contender("torch", [args.torch_python, "torch_peer.py", name, dtype, data, threads,
                            rotate]),
    ]
    if dtype == "f32":
        contenders.append(Contender("ort", [args.ort_python, "ort_peer.py", "program", name, data,
                                            threads, rotate]))
    try:
        error = compare(contenders, folder / "outputs" / f"{name}_{dtype}",
                        1e-3 if dtype == "f32" else 6e-2)
        race(contenders, args.seconds)
    finally:
        for contender in contenders:
            contender.close()
    return summary(f"{name} {dtype}", threads, contenders, error)


def summary(name, threads, contenders, error):
    row = {"name": name, "threads": int(threads), "error": error}
    for contender in contenders:
        row[contender.name + "_ms"] = contender.median()
        row[contender.name + "_spread"] = contender.spread()
        row["runs"] = len(contender.times)
    peers = [c.median() for c in contenders if c.name in ("torch", "ort")]
    row["ratio_unfused"] = row["unfused_ms"] / row["lamina_ms"] if "unfused_ms" in row else None
    row["ratio_best_peer"] = min(peers) / row["lamina_ms"]
    return row


def print_table(rows):
    columns = ["lamina", "unfused", "torch", "ort"]
    print("| program | threads | " + " | ".join(f"{c} ms" for c in columns) +
          " | unfused / lamina | best peer / lamina | spread |")
    print("|---|---|" + "---|" * (len(columns) + 3))
    for row in rows:
        cells = [f"{row[c + '_ms']:.3f}" if c + "_ms" in row else "-" for c in columns]
        unfused = f"{row['ratio_unfused']:.2f}" if row["ratio_unfused"] else "-"
        print(f"| {row['name']} | {row['threads']} | " + " | ".join(cells) +
              f" | {unfused} | {row['ratio_best_peer']:.2f} | {row['lamina_spread']:.2f} |")
    ratios = [row["ratio_best_peer"] for row in rows]
    mean = math.exp(sum(math.log(r) for r in ratios) / len(ratios))
    print(f"\ngeometric mean of best peer / lamina: {mean:.2f}")


def write_results(name, rows):
    folder = ROOT / "bench" / "results"
    folder.mkdir(exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), platform.processor())
    record = {"version": 1, "machine": cpu, "commit": commit.stdout.strip(), "rows": rows}
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def race_model(args, threads, folder):
    rows = []
    best = optimise(args, args.model, threads, folder / f"model_{threads}")
    contenders = [
        Contender("lamina", lamina_serve(args, best, threads, "0", args.data)),
        Contender("unfused", lamina_serve(args, args.model, threads, "0", args.data)),
        Contender("ort", [args.ort_python, "ort_peer.py", "model", args.onnx, args.data, threads]),
    ]
    try:
        error = compare(contenders, folder / f"outputs_{threads}", args.bound)
        race(contenders, args.seconds)
    finally:
        for contender in contenders:
            contender.close()
    rows.append(summary(pathlib.Path(args.model).stem, threads, contenders, error))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["programs", "model"])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--onnx", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--data", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--bound", type=float, default=1e-4)
    parser.add_argument("--only", default="")
    parser.add_argument("--dtypes", default="f32,bf16")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--rotate-bytes", type=int, default=256 << 20)
    parser.add_argument("--lamina", type=lambda p: pathlib.Path(p).resolve(),
                        default=ROOT / "build" / "release" / "lamina")
    parser.add_argument("--torch-python", default="/usr/bin/python3")
    parser.add_argument("--ort-python", default=ROOT / ".venv" / "bin" / "python")
    args = parser.parse_args()
    from programs import SHAPES
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for threads in args.threads.split(","):
            if args.what == "model":
                args.model = str(pathlib.Path(args.model).resolve())
                rows += race_model(args, threads, folder)
                continue
            for name in args.only.split(",") if args.only else SHAPES:
                for dtype in args.dtypes.split(","):
                    rows.append(race_program(args, name, dtype, threads, folder))
                    print_table(rows[-1:])
    print_table(rows)
    write_results(args.what, rows)


if __name__ == "__main__":
    main()
