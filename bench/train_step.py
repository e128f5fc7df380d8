#!/usr/bin/env python3
"""Times training steps of our networks beside PyTorch, in one interleaved run.

  bench/train_step.py [--networks resnet,resnet32,decoder] [--threads 2] [--rounds 12]
                      [--python /usr/bin/python3] [--program build/bench/bench_train_step]

A step: forward, backward, the norm of the gradients, the optimiser. Both sides run on the same
parameters and batch; first the loss and all gradients are compared (exit status 1 when they
differ), then they take turns of a few steps each, so that the drift of a shared machine meets both
alike.
Writes bench/results/train_step.json and prints a table in Markdown. --python names an interpreter
with PyTorch (Debian: python3-torch). --program: cmake --preset bench, target bench_train_step.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
NETWORKS = {
    "resnet": ("resnet", 64, "momentum", {}),
    "resnet32": ("resnet", 64, "momentum", {"image": 32, "channels": 3}),
    "resnet_wide": ("resnet", 64, "momentum", {"width": 32}),
    "decoder": ("decoder", 8, "adamw", {"layers": 4, "tokens": 128, "width": 256, "heads": 4,
                                        "feed-forward": 1024, "vocabulary": 256}),
}
STEPS_A_TURN = 3


class Contender:
    """A process that runs steps when told how many, and says how long each took."""

    def __init__(self, name, command):
        self.name, self.times = name, []
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise SystemExit(f"{self.name} has ended")
        return answer

    def turn(self, keep):
        times = [float(t) for t in self.ask(STEPS_A_TURN)]
        if keep:
            self.times += times

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def race(name, args, folder):
    network, samples, optimizer, options = NETWORKS[name]
    settings = [f"{k}={v}" for k, v in options.items()]
    ours = Contender("lamina", [args.program, network, samples, optimizer, args.threads, *settings])
    saved = pathlib.Path(folder) / f"{name}.safetensors"
    ours.ask(f"save {saved}")
    peer = Contender("torch", [args.python, pathlib.Path(__file__).parent / "peers/torch_train.py",
                               network, optimizer, args.threads, saved, *settings])
    worst, where = peer.ask("compare")
    for i in range(args.rounds + 1):
        for contender in (ours, peer):
            contender.turn(keep=i > 0)
    version = peer.ask("version")[0]
    ours.close()
    peer.close()
    medians = [statistics.median(c.times) for c in (ours, peer)]
    pairs = [b / a for a, b in zip(ours.times, peer.times)]
    return {"network": name, "samples": samples, "optimizer": optimizer, "options": options,
            "lamina_ms": medians[0], "torch_ms": medians[1], "torch": version,
            "ratio": statistics.median(pairs), "gradient_error": float(worst), "where": where,
            "threads": args.threads}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--program", default=ROOT / "build/bench/bench_train_step")
    args = parser.parse_args()
    rows, bad = [], False
    print("| network | samples | optimiser | Lamina ms | PyTorch ms | PyTorch / Lamina | "
          "gradients differ by |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.networks.split(","):
            row = race(name, args, folder)
            rows.append(row)
            bad |= not row["gradient_error"] < 1e-3
            print(f"| {name} | {row['samples']} | {row['optimizer']} | {row['lamina_ms']:.1f} | "
                  f"{row['torch_ms']:.1f} ({row['torch']}) | {row['ratio']:.2f} | "
                  f"{row['gradient_error']:.1e} ({row['where']}) |", flush=True)
    out = ROOT / "bench/results/train_step.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
