"""Fill `learning.md` from the measured learning curves: ``python docs/draw_learning.py``.

The cells come from `python -m benchmarks learning_curves`. From them are made the table of the
document, the plot `learning.svg`, and the curves that the page Train reads from the package.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "learning_curves.json"
DOCUMENT, DRAWING = ROOT / "docs" / "learning.md", ROOT / "docs" / "learning.svg"
SHIPPED = ROOT / "spinefrac" / "training" / "learning_curves.json"

#: The methods as the document names them.
TITLES = {
    "compact-spine": "`compact`, weights `spine`",
    "compact-none": "`compact`, weights `none`",
    "lite0": "`lite0`",
    "compact_lite0": "`compact_lite0`, head only",
    "keras-script": "the usual Keras script",
}
#: What no setting of the package trains.
_OTHERS = ("keras-script",)
_TABLE = re.compile(r"(<!-- table -->\n).*?(<!-- end of table -->\n)", re.S)

#: Sizes in SVG units; the lowest AUC of the plot.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, LOWEST = 760, 420, 60, 30, 20, 130, 0.3
COLOURS = ("#0969da", "#8250df", "#1a7f37", "#bf8700", "#cf222e")
STYLE = """
  text { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #59636e;
         font-size: 13px; }
  .grid { stroke: #8c959f; stroke-width: .5; opacity: .5; }
  .curve { fill: none; stroke-width: 2.5; } .range { stroke-width: 1.5; opacity: .7; }
  @media (prefers-color-scheme: dark) { text { fill: #9198a1; } }
"""

Curves = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Write document, plot and package data."""
    results = json.loads(RESULTS.read_text("utf-8"))
    DOCUMENT.write_text(fill(DOCUMENT.read_text("utf-8"), results), encoding="utf-8")
    DRAWING.write_text(draw(results), encoding="utf-8")
    SHIPPED.write_text(ship(results), encoding="utf-8")


def summarize(results: Mapping[str, Any]) -> Curves:
    """Return the points of each method: mean over the seeds, and the range of their intervals."""
    curves: Curves = {method: [] for method in results["methods"]}
    for method, points in curves.items():
        for patients in results["patients"]:
            cells = [
                cell
                for cell in results["cells"]
                if (cell["method"], cell["patients"]) == (method, patients)
            ]
            if cells:
                points.append(
                    {
                        "patients": patients,
                        "auc": round(mean(cell["auc"] for cell in cells), 4),
                        "low": min(cell["low"] for cell in cells),
                        "high": max(cell["high"] for cell in cells),
                        "seeds": len(cells),
                    }
                )
    return curves


def fill(text: str, results: Mapping[str, Any]) -> str:
    """Return the document with the table of these results."""
    counts = results["patients"]
    lines = [
        "| way to train | " + " | ".join(f"{n} patients" for n in counts) + " |",
        "|---" * (len(counts) + 1) + "|",
    ]
    for method, points in summarize(results).items():
        found = {point["patients"]: point for point in points}
        cells = [_format(found.get(n), len(results["seeds"])) for n in counts]
        lines.append(f"| {TITLES[method]} | " + " | ".join(cells) + " |")
    table = "\n".join(lines) + "\n"
    return _TABLE.sub(lambda match: f"{match[1]}{table}{match[2]}", text)


def _format(point: Mapping[str, Any] | None, seeds: int) -> str:
    if point is None:
        return "not measured"
    note = "" if point["seeds"] == seeds else f" [{point['seeds']} of {seeds} seeds]"
    return f"{point['auc']:.3f} ({point['low']:.3f} to {point['high']:.3f}){note}"


def draw(results: Mapping[str, Any]) -> str:
    """Return the plot as SVG: AUC over the number of patients, on a logarithmic axis."""
    counts = results["patients"]
    bottom = HEIGHT - BOTTOM
    parts = []
    for tick in range(round(10 * LOWEST), 11):
        y = _y(tick / 10)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick / 10}</text>')
    for count in counts:
        x = _x(count, counts)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{count}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{bottom + 42}" text-anchor="middle">patients in training</text>'
    )
    parts.append(
        f'<text x="16" y="{bottom / 2}" transform="rotate(-90 16 {bottom / 2})">AUC</text>'
    )
    for number, (method, points) in enumerate(summarize(results).items()):
        parts += _draw_curve(number, TITLES[method].replace("`", ""), points, counts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="AUC on unseen synthetic patients over the number of patients in training">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _draw_curve(
    number: int, title: str, points: list[dict[str, Any]], counts: list[int]
) -> list[str]:
    """Return a curve with its ranges and its entry in the legend; curves lie side by side."""
    colour, aside = COLOURS[number], 4 * (number - 2)
    places = [(_x(p["patients"], counts) + aside, p) for p in points]
    x, y = LEFT + 350 * (number % 2), HEIGHT - 60 + 24 * (number // 2)
    parts = [
        f'<path class="curve" stroke="{colour}" d="M{x} {y}h26"/>',
        f'<text x="{x + 34}" y="{y + 4}">{escape(title)}</text>',
    ]
    if places:
        line = "L".join(f"{x:.1f} {_y(p['auc']):.1f}" for x, p in places)
        parts.append(f'<path class="curve" stroke="{colour}" d="M{line}"/>')
    for x_point, p in places:
        parts.append(
            f'<path class="range" stroke="{colour}" '
            f'd="M{x_point:.1f} {_y(p["low"]):.1f}V{_y(p["high"]):.1f}"/>'
        )
        parts.append(f'<circle cx="{x_point:.1f}" cy="{_y(p["auc"]):.1f}" r="4" fill="{colour}"/>')
    return parts


def _x(count: int, counts: Sequence[int]) -> float:
    share = math.log(count / counts[0]) / math.log(counts[-1] / counts[0])
    return LEFT + 30 + share * (WIDTH - LEFT - RIGHT - 60)


def _y(auc: float) -> float:
    share = (max(auc, LOWEST) - LOWEST) / (1 - LOWEST)
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def ship(results: Mapping[str, Any]) -> str:
    """Return what the package brings of the results."""
    curves = {
        method: {"epochs": results["epochs"][method], "points": points}
        for method, points in summarize(results).items()
        if method not in _OTHERS and points
    }
    return json.dumps({"difficulty": results["difficulty"], "curves": curves}, indent=1) + "\n"


if __name__ == "__main__":
    main()
