"""The data set of the demonstration model: ``python -m spinefrac.data.phantom.mixture OUT``.

Phantoms of several kinds lie beside each other and are joined by one ``labels.csv``. A model of
standard phantoms alone calls almost every real slice a fracture, because none of its own has ribs,
vessels and windows of every kind; the wide ones do.
"""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import dataclass
from pathlib import Path

from spinefrac.data.phantom.write import CLASS_FOLDERS, write_phantom
from spinefrac.system import atomic

SLICES = 6


@dataclass(frozen=True, slots=True)
class Part:
    """One phantom of a mixture; see `write_phantom`."""

    name: str
    patients: int
    seed: int
    difficulty: str = "standard"
    variety: str = "narrow"


#: Nothing is measured on these seeds.
STANDARD = (
    Part("wide", patients=100, seed=9_160_001, variety="wide"),
    Part("narrow", patients=60, seed=9_160_003),
)


def write_mixture(out: Path, parts: tuple[Part, ...] = STANDARD, slices: int = SLICES) -> int:
    """Write the phantoms as folders of `out`, and the table of all slices; return their number.

    A second call completes an interrupted one.
    """
    rows: list[tuple[str, str, str]] = []
    for part in parts:
        write_phantom(
            out / part.name,
            patients=part.patients,
            slices=slices,
            seed=part.seed,
            difficulty=part.difficulty,
            variety=part.variety,
        )
        for label in CLASS_FOLDERS:
            for file in sorted((out / part.name / label).iterdir()):
                patient = f"{part.name}-{file.name.partition('_')[0]}"
                rows.append((f"{part.name}/{label}/{file.name}", label, patient))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("path", "label", "patient"), *rows])
    atomic.write_bytes(out / "labels.csv", table.getvalue().encode())
    return len(rows)


if __name__ == "__main__":
    print(write_mixture(Path(sys.argv[1])), "slices")
