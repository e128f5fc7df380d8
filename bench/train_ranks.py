#!/usr/bin/env python3
"""Trains networks on 1, 2 and 4 ranks of MPI with the same stages and compares the losses.

  bench/train_ranks.py [--networks candle-uno,mmt,resnet] [--program build/release/lamina]

A plan for four ranks is made first; on fewer, several of its stages take turns on a rank, so that
all runs use the same programs and must give the same loss in every step, bit for bit. Prints a
table in Markdown and writes bench/results/train_ranks.json; exit status 1 where losses differ.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
NETWORKS = {
    "candle-uno": "--small --steps 400 --batch 64 --learning-rate 0.003",
    "mmt": "--small --samples 32768 --steps 400 --batch 64 --learning-rate 0.003",
    "resnet": "--layers 1 --dataset fashion-mnist --epochs 3 --batch 64 "
              "--optimizer momentum --nesterov --learning-rate 0.1 --warmup-steps 200 "
              "--schedule cosine --weight-decay 0.0005",
}
RANKS = (4, 2, 1)


def train(args, name, ranks, options, folder):
    report, log = folder / f"{name}_{ranks}.json", folder / f"{name}_{ranks}.jsonl"
    # Open MPI refuses to run as root unless told twice.
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    subprocess.run(["mpirun", "--oversubscribe", "-np", str(ranks), args.program, "train", name,
                    "--threads", "1", "--json", report, "--log", log, *NETWORKS[name].split(),
                    *options], check=True, stdout=subprocess.DEVNULL, env=environment)
    losses = [entry["loss"] for entry in map(json.loads, log.read_text().splitlines())
              if not entry.get("test")]
    return json.loads(report.read_text()), losses


def folded(plan, ranks, path):
    """The plan on fewer ranks: neighbouring stages share one."""
    plan = json.loads(plan.read_text())
    for stage in plan["stages"]:
        stage["devices"] = sorted({device * ranks // RANKS[0] for device in stage["devices"]})
    path.write_text(json.dumps(plan))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--program", default=ROOT / "build" / "release" / "lamina")
    args = parser.parse_args()
    rows = []
    print("| network | ranks | steps | last loss | losses as on 4 ranks | test accuracy | "
          "samples/s |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name in args.networks.split(","):
            plan, first = folder / f"{name}.plan", None
            for ranks in RANKS:
                options = (["--planner", "chain", "--micro-batch", "8", "--write-plan", plan]
                           if first is None else
                           ["--plan", folded(plan, ranks, folder / f"{name}_{ranks}.plan")])
                report, losses = train(args, name, ranks, options, folder)
                first = first or losses
                rows.append({"network": name, "ranks": ranks, "steps": len(losses),
                             "loss": losses[-1], "equal": losses == first,
                             "test_accuracy": report.get("test_accuracy"),
                             "samples_per_s": report["samples_per_s"]})
                row = rows[-1]
                accuracy = row["test_accuracy"]
                print(f"| {name} | {ranks} | {row['steps']} | {row['loss']:.9g} | "
                      f"{'all equal' if row['equal'] else 'DIFFERENT'} | "
                      f"{'-' if accuracy is None else f'{accuracy:.4f}'} | "
                      f"{row['samples_per_s']:.4g} |", flush=True)
    (ROOT / "bench" / "results" / "train_ranks.json").write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(0 if all(row["equal"] for row in rows) else 1)


if __name__ == "__main__":
    main()
