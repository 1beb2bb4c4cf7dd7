"""Structure-aware fuzzing of the decoder pool: ``python -m fuzz [--seconds 60] [--mutants 20000]``.

Draws files of every format and transfer syntax, in which header and codestream are varied
together, and reads them as the server does. What fails, or ends its worker, is written into
``tests/corpus``, which `make test` reads again. Exit status 1 where a file did what none may do.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fuzz import other_files
from fuzz.dicom_files import SYNTAXES, dicom_files
from fuzz.targets import Outcome, read_file

CORPUS = Path(__file__).resolve().parents[1] / "tests" / "corpus"

#: What is drawn in turn, by name: DICOM of each transfer syntax, and the other formats.
STRATEGIES: dict[str, st.SearchStrategy[bytes]] = {
    **{f"dicom {syntax}": dicom_files(syntax) for syntax in SYNTAXES},
    "picture": other_files.picture_files(),
    "nifti": other_files.nifti_files(),
    "zip": other_files.zip_files(),
}
#: Files that are drawn of one kind before the next.
_ROUND = 100


@dataclass
class Tally:
    """How many files came to what, by kind of file."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    slowest: float = 0.0

    @property
    def files(self) -> int:
        return self.outcomes.total()

    def add(self, name: str, content: bytes, outcome: Outcome) -> None:
        """Count one file, and keep it where it is worth that."""
        self.outcomes[name, outcome.kind] += 1
        self.slowest = max(self.slowest, outcome.seconds)
        if outcome.description:
            self.reasons[f"{name}: {outcome.kind}: {outcome.description}"] += 1
        self.failures += outcome.is_failure
        if outcome.is_worth_keeping:
            CORPUS.mkdir(exist_ok=True)
            kind = name.rpartition(" ")[2].removeprefix("1.2.840.10008.1.2.") or "picture"
            digest = hashlib.sha256(content).hexdigest()[:12]
            (CORPUS / f"{kind}-{digest}.bin").write_bytes(content)

    def describe(self) -> str:
        """Return a table of the counts."""
        kinds = ("read", "refused", "ended a worker", "failed")
        lines = [f"{'':34}" + "".join(f"{kind:>16}" for kind in kinds)]
        for name in STRATEGIES:
            counts = "".join(f"{self.outcomes[name, kind]:>16,}" for kind in kinds)
            lines.append(f"{name:34}{counts}")
        lines += [f"{count:>6} {reason}" for reason, count in self.reasons.most_common()]
        lines.append(
            f"{self.files:,} files, {self.failures} failures, slowest {self.slowest:.2f} s"
        )
        return "\n".join(lines)


def draw_files(name: str, count: int, number: int, tally: Tally) -> None:
    """Read `count` files of a kind; the same `number` draws the same files."""

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STRATEGIES[name])
    def read(content: bytes) -> None:
        tally.add(name, content, read_file(content))

    read()


def main() -> int:
    """Draw and read files until the time or the number of files is reached."""
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--mutants", type=int, default=0, help="end after so many files")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="what to begin with")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    tally, number, end = Tally(), arguments.seed, time.monotonic() + arguments.seconds
    print(f"seed {number}", file=sys.stderr)
    while time.monotonic() < end and not 0 < arguments.mutants <= tally.files:
        for name in STRATEGIES:
            if time.monotonic() < end:
                draw_files(name, _ROUND, number, tally)
            number += 1
    print(tally.describe())
    return int(tally.failures > 0)


if __name__ == "__main__":
    sys.exit(main())
