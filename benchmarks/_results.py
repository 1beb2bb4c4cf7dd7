"""What was measured, kept in ``benchmarks/results/DATE-PROCESSOR.json``."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "results"

#: A figure, its value, its target, and whether that is met: ``ok``, ``short`` or nothing.
Row = tuple[str, str, str, str]


@dataclass(frozen=True)
class Results:
    """The figures of one day on one machine.

    Attributes
    ----------
    date : str
        As in 2026-03-01.
    processor : str
        As the system names it.
    cores : int
    python : str
        Its version.
    rows : mapping
        The figures of each benchmark, by its name.
    seconds : mapping
        How long each benchmark took.
    """

    date: str
    processor: str
    cores: int
    python: str
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file in which they are kept."""
        machine = re.sub(r"[^a-z0-9]+", "-", self.processor.lower()).strip("-")
        return FOLDER / f"{self.date}-{machine or 'unknown'}.json"


def add(name: str, rows: Sequence[Row], seconds: float) -> Path:
    """Keep the figures of a benchmark beside those of today on this machine; return the file."""
    today = Results(
        time.strftime("%Y-%m-%d"),
        _name_processor(),
        os.cpu_count() or 1,
        platform.python_version(),
    )
    known = read(today.path) if today.path.is_file() else today
    found = asdict(known)
    found["rows"] = {**known.rows, name: list(rows)}
    found["seconds"] = {**known.seconds, name: round(seconds, 1)}
    today.path.parent.mkdir(exist_ok=True)
    today.path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return today.path


def read(path: Path) -> Results:
    """Return the figures that a file holds."""
    return Results(**json.loads(path.read_text("utf-8")))


def _name_processor() -> str:
    """Return the processor as the system names it."""
    described = Path("/proc/cpuinfo")
    if described.is_file() and (
        found := re.search(r"model name\s*:\s*(.+)", described.read_text())
    ):
        return found[1].strip()
    return platform.processor() or platform.machine()
