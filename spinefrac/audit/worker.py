"""The process that audits a folder for the pages.

python -m spinefrac.audit.worker FOLDER [--fresh]
"""

from __future__ import annotations

import sys
from pathlib import Path

from spinefrac.audit.background import progress_path
from spinefrac.audit.run import audit_folder
from spinefrac.system import background


def main(folder: Path, *, fresh: bool = False) -> int:
    """Audit a folder and write the progress; return 0 where there is a result."""
    return background.report_progress_of(
        progress_path(folder),
        lambda report: audit_folder(folder, progress=report, fresh=fresh),
        "run spinefrac audit",
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), fresh="--fresh" in sys.argv[2:]))
