"""Draw `architecture.svg` from the imports of the code: ``python docs/draw_architecture.py``.

One row a layer of the import contract in `pyproject.toml`, one box a package, and its purpose from
the map in the docstring of `spinefrac`. An arrow means "imports". To keep the drawing readable,
there is none where a path of other arrows says the same, and none to the last row, which every
package may import.
"""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from html import escape
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "spinefrac"
DRAWING = ROOT / "docs" / "architecture.svg"

#: Sizes in SVG units: the drawing, a box, the space between rows, and between lines and boxes.
WIDTH, BOX_WIDTH, BOX_HEIGHT, ROW_GAP, CLEARANCE = 960, 204, 62, 44, 14

Point = tuple[float, float]

STYLE = """
  text { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .name { font-size: 15px; font-weight: 600; } .purpose { font-size: 11px; fill: #59636e; }
  .box { fill: #f6f8fa; stroke: #8c959f; } .line { fill: none; stroke: #0969da; opacity: .75; }
  .head { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .purpose { fill: #9198a1; }
    .box { fill: #151b23; stroke: #656c76; } .line { stroke: #4493f8; } .head { fill: #4493f8; }
  }
"""


def main() -> None:
    """Write the drawing."""
    DRAWING.write_text(draw(), encoding="utf-8")


def read_layers() -> list[list[str]]:
    """Return the packages of each layer that exist, from the top."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = (
        contract
        for contract in config["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    layers = [re.findall(r"\w+", layer) for layer in contract["layers"]]
    return [[name for name in layer if _exists(name)] for layer in layers]


def _exists(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def read_purposes() -> dict[str, str]:
    """Return what each package is for, from the map in the docstring of `spinefrac`."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))) or ""
    found = re.findall(r"^``(\w+)`` +(\S.*(?:\n {10,}\S.*)*)", docstring, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", purpose).replace("`", "") for name, purpose in found}


def read_imports() -> dict[str, set[str]]:
    """Return for each package which other ones its files import, in functions too."""
    imports: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names = {name for name in imported_names(path) if name.startswith("spinefrac.")}
        imports.setdefault(parts[0], set()).update(name.split(".")[1] for name in names)
    return {
        name: {other for other in found if other != name and _exists(other)}
        for name, found in imports.items()
        if not name.startswith("__")
    }


def imported_names(path: Path) -> set[str]:
    """Return the full names that a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def reduce_imports(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the imports that no longer path implies: the transitive reduction."""

    def reachable(name: str) -> set[str]:
        direct = imports.get(name, set())
        return direct.union(*(reachable(other) for other in direct))

    return {
        name: {
            target
            for target in targets
            if not any(target in reachable(other) for other in targets - {target})
        }
        for name, targets in imports.items()
    }


def draw() -> str:
    """Return the drawing as SVG; the same code gives the same text."""
    layers, purposes = read_layers(), read_purposes()
    rows = {name: row for row, layer in enumerate(layers) for name in layer}
    columns = {name: x for layer in layers for name, x in zip(layer, _centres(layer), strict=True)}
    imports = reduce_imports(read_imports())
    lines = [
        _draw_line(_route(name, other, rows, columns))
        for name in rows
        for other in sorted(imports.get(name, ()), key=lambda box: (columns[box], box))
        if rows[other] < len(layers) - 1
    ]
    boxes = [_draw_box(name, purposes[name], columns[name], rows[name]) for name in rows]
    height = len(layers) * BOX_HEIGHT + (len(layers) - 1) * ROW_GAP + 4
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            "<title>Packages of spinefrac: each imports those that its arrows lead to</title>",
            f"<style>{STYLE}</style>",
            '<marker id="head" class="head" viewBox="0 0 8 8" refX="7" refY="4" orient="auto"'
            ' markerWidth="7" markerHeight="7"><path d="M0 0 8 4 0 8z"/></marker>',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def _centres(layer: Iterable[str]) -> list[float]:
    """Return the horizontal centres of the boxes of one row, evenly spaced."""
    n = len(list(layer))
    return [WIDTH * (2 * index + 1) / (2 * n) for index in range(n)]


def _top(row: int) -> float:
    return 2 + row * (BOX_HEIGHT + ROW_GAP)


def _route(
    name: str, other: str, rows: Mapping[str, int], columns: Mapping[str, float]
) -> list[Point]:
    """Return the points of a line from one box down to another, past the boxes between."""
    first, last = rows[name], rows[other]
    # Lines leave and arrive side by side, to the side of where they go.
    lean = max(-80, min(80, (columns[other] - columns[name]) / 5))
    start, end = columns[name] + lean, columns[other] - lean
    points = [(start, _top(first) + BOX_HEIGHT)]
    for row in range(first + 1, last):
        straight = start + (end - start) * (row - first) / (last - first)
        centres = [x for box, x in columns.items() if rows[box] == row]
        x = _nearest_gap(straight, centres)
        points += [(x, _top(row)), (x, _top(row) + BOX_HEIGHT)]
    return [*points, (end, _top(last))]


def _nearest_gap(x: float, centres: Iterable[float]) -> float:
    """Return the position nearest to `x` that lies beside every box of a row."""
    half = BOX_WIDTH / 2 + CLEARANCE
    for centre in centres:
        if abs(x - centre) < half:
            return centre - half if x < centre else centre + half
    return x


def _draw_line(points: list[Point]) -> str:
    path = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        bend = (y1 - y0) / 2
        path += f" C{x0:.0f} {y0 + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}"
    return f'<path class="line" d="{path}" marker-end="url(#head)"/>'


def _draw_box(name: str, purpose: str, x: float, row: int) -> str:
    top, lines = _top(row), textwrap.wrap(purpose, 33)
    if len(lines) > 2:
        raise ValueError(f"the purpose of {name} needs more than two lines: {purpose}")
    words = "".join(
        f'<text class="purpose" x="{x:.0f}" y="{top + 36 + 14 * index:.0f}">{escape(line)}</text>'
        for index, line in enumerate(lines)
    )
    return (
        f'<g text-anchor="middle"><rect class="box" x="{x - BOX_WIDTH / 2:.0f}" y="{top:.0f}"'
        f' width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text class="name" x="{x:.0f}" y="{top + 20:.0f}">{escape(name)}</text>{words}</g>'
    )


if __name__ == "__main__":
    main()
