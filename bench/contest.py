"""Contenders that take turns, the comparison of their outputs, and tables of their times."""
import json
import math
import pathlib
import signal
import platform
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
# "general": of a model with size classes, the program of all sizes.
OURS = ["lamina", "unfused", "general"]
PEER_NAMES = ["torch", "compiled", "ort", "openvino"]
PRODUCTS = "onednn"  # its products alone: no peer, since it computes less


class Contender:
    """A process that waits for its turn (peers/protocol.py). It starts with a with statement: one
    that loads a gigabyte of weights takes several while it does."""

    def __init__(self, name, command, report=None):
        self.name, self.times, self.report = name, [], report
        self.command, self.process = [str(c) for c in command], None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, cwd=PEERS)
        return self

    def __exit__(self, *failure):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: no answer; exit status {self.process.wait()}")
        return line.strip()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def wait_until_ready(self):
        while self.answer() != "ready":
            pass

    def run(self):
        self.times.append(float(self.ask("run")))

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        if self.ask(f"save {folder}") != "saved":
            raise SystemExit(f"{self.name}: outputs were not saved")

    def resident_bytes(self, peak=False):
        """Resident now, or the most that ever was."""
        key = "VmHWM:" if peak else "VmRSS:"
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

    def forget_peak(self):
        """The peak of resident bytes is from now on that of what follows."""
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def finish(self):
        """Ends the process; its report, when it writes one."""
        self.process.stdin.write("quit\n")
        self.process.stdin.flush()
        self.process.wait()
        return json.loads(self.report.read_text()) if self.report else None


def package(args, name):
    """The folder of a Python package of the peers."""
    script = ("import importlib.util as util; "
              f"print(util.find_spec('{name}').submodule_search_locations[0])")
    found = subprocess.run([args.ort_python, "-c", script], capture_output=True, text=True,
                           check=True)
    return pathlib.Path(found.stdout.strip())


def stop(contenders):
    for contender in contenders:
        contender.process.send_signal(signal.SIGSTOP)


def resume(contenders):
    for contender in contenders:
        contender.process.send_signal(signal.SIGCONT)


def measure_peaks(contenders):
    """GB/s and GFLOP/s of the machine, by the first contender while the others are stopped."""
    stop(contenders[1:])
    peaks = [float(word) for word in contenders[0].ask("peaks").split()]
    resume(contenders[1:])
    return peaks


def take_turns(contenders, seconds, at_most=400):
    """Rounds of turns until a contender has had about `seconds` on average. A turn is an untimed
    run, then a timed one. The processes of the others are stopped meanwhile: idle threads of some
    peers spin for longer than a turn takes. Rounds go forwards and backwards in turn: what a
    contender leaves in the caches meets its neighbour on either side."""
    rounds, spent_ms = 0, 0.0
    stop(contenders)
    while rounds < 9 or (spent_ms < seconds * 1e3 * len(contenders) and rounds < at_most):
        for contender in contenders if rounds % 2 == 0 else reversed(contenders):
            resume([contender])
            contender.run()
            contender.times.pop()
            contender.run()
            stop([contender])
            spent_ms += 2.0 * contender.times[-1]
        rounds += 1
    resume(contenders)


def error_in_tolerances(got, want, tolerance):
    """Largest |got - want| in units of tolerance * (|want| + row mean of |want|)
    (docs/numerics.md): more than 1 is wrong."""
    import numpy
    if got.size != want.size:
        return math.inf
    want = want.astype(numpy.float64)
    got = got.astype(numpy.float64).reshape(want.shape)
    if not (numpy.isnan(got) == numpy.isnan(want)).all():
        return math.inf
    long_axes = [axis for axis, size in enumerate(want.shape) if size > 1]
    mean = abs(want).mean(long_axes[-1], keepdims=True) if long_axes else abs(want)
    bound = tolerance * (abs(want) + mean)
    return float(numpy.nanmax(abs(got - want) / numpy.maximum(bound, 1e-300), initial=0.0))


def compare(contenders, folder, tolerance):
    """The largest error of each contender against the last one, a peer, in tolerances."""
    for contender in contenders:
        contender.save(folder / contender.name)
    return errors_against(folder / contenders[-1].name, contenders[:-1], folder, tolerance)


def errors_against(wanted, contenders, folder, tolerance):
    """The largest error of the outputs of each contender against those in `wanted`."""
    import numpy
    return {contender.name: max(error_in_tolerances(numpy.load(folder / contender.name / file.name),
                                                    numpy.load(file), tolerance)
                                for file in sorted(wanted.iterdir()))
            for contender in contenders}


def our_error(errors):
    return max(errors[name] for name in OURS if name in errors)


def summary(name, threads, contenders, errors):
    row = {"name": name, "threads": int(threads), "error": our_error(errors),
           "errors": errors, "runs": len(contenders[0].times)}
    for contender in contenders:
        quartiles = statistics.quantiles(contender.times, n=4)
        row[contender.name + "_ms"] = statistics.median(contender.times)
        row[contender.name + "_spread"] = (quartiles[2] - quartiles[0]) / quartiles[1]
    peers = [row[peer + "_ms"] for peer in PEER_NAMES if peer + "_ms" in row]
    row["ratio_unfused"] = row["unfused_ms"] / row["lamina_ms"]
    row["ratio_best_peer"] = min(peers) / row["lamina_ms"]
    if PRODUCTS + "_ms" in row:
        row["ratio_products"] = row[PRODUCTS + "_ms"] / row["lamina_ms"]
    return row


def add_roofline(row, peaks, work):
    """What the machine reached of its peaks, by the work of the program as it was read."""
    row["peak_gb_s"], row["peak_gflop_s"] = peaks
    row["share_memory"] = work["bytes"] / row["lamina_ms"] / 1e6 / peaks[0]
    row["share_arithmetic"] = work["flops"] / row["lamina_ms"] / 1e6 / peaks[1]


TIMED = OURS + PEER_NAMES + [PRODUCTS]
HEADS = ["program", "threads", *[f"{name} ms" for name in TIMED], "unfused / lamina",
         "best peer / lamina", "onednn / lamina", "memory", "arithmetic", "spread",
         "error / tolerance"]


def print_head():
    print("| " + " | ".join(HEADS) + " |")
    print("|---" * len(HEADS) + "|")


def print_row(row):
    def cell(key, form):
        return format(row[key], form) if key in row else "-"

    cells = [row["name"], str(row["threads"]), *[cell(name + "_ms", ".3f") for name in TIMED],
             *[cell("ratio_" + what, ".2f") for what in ("unfused", "best_peer", "products")],
             cell("share_memory", ".0%"), cell("share_arithmetic", ".0%"),
             cell("lamina_spread", ".0%"),
             cell("error", ".2f") + (" WRONG" if row["error"] > 1 else "")]
    print("| " + " | ".join(cells) + " |", flush=True)


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def write_results(name, rows):
    folder = ROOT / "bench" / "results"
    folder.mkdir(exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")),
                   platform.processor())
    record = {"version": 1, "machine": cpu, "commit": commit.stdout.strip(), "rows": rows}
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
