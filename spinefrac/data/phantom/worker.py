"""A phantom rendered in a process of its own, for pages: it goes on when the browser is closed.

python -m spinefrac.data.phantom.worker OUT PATIENTS SLICES SEED DIFFICULTY
"""

from __future__ import annotations

import sys
from pathlib import Path

from spinefrac.data.phantom.write import write_phantom
from spinefrac.system import background
from spinefrac.system.background import WorkProgress

_WORKER = "spinefrac.data.phantom.worker"


def start_phantom(out: Path, *, patients: int, slices: int, seed: int, difficulty: str) -> None:
    """Start to render a phantom; parameters as for `write_phantom`.

    Raises
    ------
    OSError
        If HOME cannot be written.
    """
    arguments = [str(out), str(patients), str(slices), str(seed), difficulty]
    background.start(_progress_path(out), _WORKER, *arguments)


def read_progress(out: Path) -> WorkProgress | None:
    """Return how far a phantom is, in slices, or None where none was started."""
    return background.read_progress(_progress_path(out))


def main(out: Path, patients: int, slices: int, seed: int, difficulty: str) -> int:
    """Render a phantom and write the progress; return 0 where it is complete."""
    return background.report_progress_of(
        _progress_path(out),
        lambda report: write_phantom(
            out,
            patients=patients,
            slices=slices,
            seed=seed,
            difficulty=difficulty,
            progress=report,
        ),
        "run spinefrac phantom",
    )


def _progress_path(out: Path) -> Path:
    """Return the file that holds the progress of a phantom."""
    return background.progress_path("phantoms", out)


if __name__ == "__main__":
    sys.exit(
        main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    )
