"""The process that estimates a folder for the page Train.

python -m spinefrac.training.estimate.worker FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from spinefrac.system.background import report_progress_of
from spinefrac.training.estimate import background
from spinefrac.training.estimate.compute import estimate_folder
from spinefrac.training.settings import TrainingSettings


def main(folder: Path) -> int:
    """Estimate a folder and write the progress; return 0 where there is a result."""

    def work(report: Callable[[int, int], None]) -> None:
        background.save(folder, estimate_folder(folder, TrainingSettings(), report))

    return report_progress_of(
        background.progress_path(folder), work, "run spinefrac train FOLDER --estimate"
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
