"""Measured acceptance against printed bounds, as an SVG.

    python3 bench/soundness_plot.py bench/results/soundness.json soundness.svg

Both axes are logarithmic; a bar is the exact interval of one row. What lies above the diagonal
would refute a bound.
"""

import html
import json
import math
import sys

WIDTH, HEIGHT, MARGIN = 760, 560, 70
LOWEST = 1e-6  # of both axes; a row without hits ends here
COLOURS = {
    "random": "#4477aa",
    "progression": "#66ccee",
    "split": "#228833",
    "extremal trinomial": "#ccbb44",
    "multiple of primes": "#aa3377",
    "common mode": "#ee6677",
}


def x_of(value):
    share = math.log10(max(value, LOWEST) / LOWEST) / -math.log10(LOWEST)
    return MARGIN + share * (WIDTH - 2 * MARGIN)


def y_of(value):
    share = math.log10(max(value, LOWEST) / LOWEST) / -math.log10(LOWEST)
    return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)


def text(x, y, content, anchor="middle", turn=None):
    turned = f' transform="rotate({turn} {x} {y})"' if turn else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turned}>'
            f"{html.escape(content)}</text>")


def axes():
    left, right, bottom, top = MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN, MARGIN
    parts = [f'<path d="M{left} {top} V{bottom} H{right}" fill="none" stroke="#333"/>',
             f'<path d="M{left} {bottom} L{right} {top}" stroke="#999" stroke-dasharray="5 4"/>']
    for power in range(round(math.log10(LOWEST)), 1):
        value = 10.0**power
        parts.append(text(x_of(value), bottom + 20, f"1e{power}"))
        parts.append(text(left - 8, y_of(value) + 4, f"1e{power}", "end"))
    parts.append(text(WIDTH / 2, HEIGHT - 20, "printed bound, one pair of primes"))
    parts.append(text(20, HEIGHT / 2, "measured acceptance, 99 % interval", turn=-90))
    return parts


def mark(row):
    colour = COLOURS[row["family"]]
    x, y = x_of(row["bound"]), y_of(row["rate"])
    label = (f"{row['family']}, {row['terms']} terms, q from {row['smallest_q']}, "
             f"p from {row['smallest_p']}: {row['rate']:.3g} <= {row['bound']:.3g} "
             f"({row['theorem']})")
    return (f'<g stroke="{colour}" fill="{colour}" opacity="0.75">'
            f"<title>{html.escape(label)}</title>"
            f'<path d="M{x:.1f} {y_of(row["low"]):.1f} V{y_of(row["high"]):.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/></g>')


def legend():
    parts = []
    for i, (family, colour) in enumerate(COLOURS.items()):
        y = MARGIN + 18 * i
        parts.append(f'<circle cx="{MARGIN + 20}" cy="{y}" r="4" fill="{colour}"/>')
        parts.append(text(MARGIN + 30, y + 4, family, "start"))
    return parts


def main(source, target):
    with open(source, encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>']
    parts += axes() + [mark(row) for row in rows] + legend() + ["</svg>"]
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
