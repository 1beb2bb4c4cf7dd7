"""Measure the figures and print them in one table: ``python -m benchmarks [--save] [NAME…]``.

With ``--save`` they are kept as well, see `benchmarks._results`, each as soon as it is measured.

Every other module here has ``measure()``, which returns (what, value, target) for
each figure, value and target with their unit. A fourth entry, true or false, says whether the
target is met where the texts do not tell. A benchmark that fails is reported, and the others run.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import _results
from benchmarks._results import Row

#: Units of which less is better, in terms of a common unit.
LESS_IS_BETTER = {"ms": 1e-3, "s": 1.0, "min": 60.0, "MB": 1.0, "GB": 1000.0}

#: Measured only where they are named: they take ten minutes, and hours.
ONLY_BY_NAME = {"serving_kills", "learning_curves"}

_NUMBER = r"(-?\d[\d,]*(?:\.\d+)?)"
_QUANTITY = re.compile(rf"{_NUMBER}(?:\s*(?:-|–|to)\s*{_NUMBER})?\s*(%|[a-zA-Z]+)?")


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks that are named, or all; return 0 if every one could be measured."""
    names = [argument for argument in arguments if argument != "--save"]
    known = sorted(
        path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")
    )
    if unknown := set(names) - set(known):
        print(f"error: no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        return 2
    table: list[Row] = []
    failed = False
    for name in names or (name for name in known if name not in ONLY_BY_NAME):
        start = time.perf_counter()
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            measured = import_module(f"benchmarks.{name}").measure()
            rows = [_format_row(*row) for row in measured]
            table += rows
            if "--save" in arguments:
                _results.add(name, rows, time.perf_counter() - start)
        except Exception as error:  # noqa: BLE001 - reported, and the others run
            failed = True
            table.append((name, f"failed: {type(error).__name__}: {error}", "", ""))
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    _print_table(table)
    return int(failed)


def _format_row(what: str, value: str, target: str, good: bool | None = None) -> Row:
    good = meets_target(value, target) if good is None else good
    return what, value, target, "" if good is None else "ok" if good else "short"


def meets_target(value: str, target: str) -> bool | None:
    """Return whether a measured value is as good as its target; None where that is unclear.

    The target is a range, ``at least`` or ``at most`` something, or one quantity: an upper
    bound for times and memory, a lower bound for everything else.
    """
    measured, wanted = _QUANTITY.search(value), _QUANTITY.search(target)
    if not measured or not wanted:
        return None
    unit, wanted_unit = measured[3], wanted[3]
    factor = LESS_IS_BETTER.get(unit, 1.0) / LESS_IS_BETTER.get(wanted_unit, 1.0)
    if unit != wanted_unit and not {unit, wanted_unit} <= LESS_IS_BETTER.keys():
        return None
    number, low = _float(measured[1]) * factor, _float(wanted[1])
    if wanted[2]:
        return low <= number <= _float(wanted[2])
    before = target[: wanted.start()].strip()
    at_most = before in ("at most", "under", "<", "<=", "≤") or (
        before not in ("at least", "over", ">", ">=", "≥") and unit in LESS_IS_BETTER
    )
    return number <= low if at_most else number >= low


def _float(text: str) -> float:
    return float(text.replace(",", ""))


def _print_table(table: Sequence[Sequence[Any]]) -> None:
    rows = [("figure", "measured", "target", ""), *table]
    widths = [max(len(str(row[column])) for row in rows) for column in range(4)]
    for row in rows:
        cells = (str(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
