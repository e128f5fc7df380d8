#!/usr/bin/env python3
"""How the search of `lamina plan` grows with the devices, as a table and an SVG.

  bench/planner_growth.py GROWTH.svg [--profiles FOLDER] [--program build/release/lamina]

MMT (129 operators) on 8 to 1,024 devices; with --profiles, a folder of PipeDream's profiles, each
of them on 32 devices. Writes bench/results/planner_growth.json. Both axes of the picture are
logarithmic.
"""
import argparse
import json
import math
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEVICES = (8, 16, 32, 64, 128, 256, 512, 1024)
WIDTH, HEIGHT, MARGIN = 640, 420, 60


def plan(program, source, devices, *options):
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        subprocess.run([program, "plan", source, "--devices", str(devices), "--per-node", "4",
                        "--batch", str(max(128, 4 * devices)), "--json", report.name, *options],
                       check=True, stdout=subprocess.DEVNULL)
        return json.load(open(report.name))


def row(name, devices, report):
    result = {"network": name, "devices": devices, "search_s": report["search_s"],
              "states": report["states"], "stages": len(report["stages"]),
              "iteration_s": report["iteration_s"]}
    print(f"| {name} | {devices} | {result['search_s']:.3g} | {result['states']} | "
          f"{result['stages']} | {result['iteration_s']:.4g} |", flush=True)
    return result


def draw(rows, path):
    low, high = 1e-2, 1e2

    def x_of(devices):
        return MARGIN + (WIDTH - 2 * MARGIN) * math.log2(devices / DEVICES[0]) / math.log2(
            DEVICES[-1] / DEVICES[0])

    def y_of(seconds):
        share = math.log(max(seconds, low) / low) / math.log(high / low)
        return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             f'<text x="{MARGIN}" y="24">seconds of search for MMT by devices</text>']
    for seconds in (0.01, 0.1, 1, 10, 60):
        y = y_of(seconds)
        parts.append(f'<path d="M{MARGIN} {y:.1f}H{WIDTH - MARGIN}" stroke="#ddd"/>'
                     f'<text x="8" y="{y + 4:.1f}">{seconds} s</text>')
    for devices in DEVICES:
        parts.append(f'<text x="{x_of(devices):.1f}" y="{HEIGHT - MARGIN + 20}" '
                     f'text-anchor="middle">{devices}</text>')
    points = " ".join(f"{x_of(r['devices']):.1f},{y_of(r['search_s']):.1f}" for r in rows)
    parts.append(f'<polyline points="{points}" fill="none" stroke="#4477aa" stroke-width="2"/>')
    for r in rows:
        parts.append(f'<circle cx="{x_of(r["devices"]):.1f}" cy="{y_of(r["search_s"]):.1f}" r="4" '
                     'fill="#4477aa"/>')
    pathlib.Path(path).write_text("\n".join(parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("svg")
    parser.add_argument("--profiles", type=pathlib.Path)
    parser.add_argument("--program", default=ROOT / "build" / "release" / "lamina")
    args = parser.parse_args()
    print("| network | devices | search s | states | stages | iteration s |")
    print("|---|---|---|---|---|---|")
    machine = ("--machine", ROOT / "share" / "machines" / "a100.json")
    rows = [row("mmt", d, plan(args.program, "mmt", d, *machine)) for d in DEVICES]
    draw(rows, args.svg)
    for profile in sorted(args.profiles.glob("*.txt")) if args.profiles else []:
        rows.append(row(profile.stem, 32, plan(args.program, profile, 32, "--profile-batch", "64")))
    results = ROOT / "bench" / "results" / "planner_growth.json"
    results.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
