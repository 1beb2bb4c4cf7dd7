"""`spinefrac backup` and `spinefrac restore`: everything in HOME in one file, and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output
from spinefrac.errors import BackupError


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, such as home.zip.")],
    as_json: output.JsonOption = False,
) -> None:
    """Save models, runs, history, users and uploaded data sets in one FILE, while they are used.

    Caches and logs are left out, and so are data sets that were not uploaded. The file is not
    encrypted, and holds what HOME holds: keep it as safe.
    """
    from spinefrac.store import home_backup

    made = home_backup.write(file)
    if as_json:
        output.print_json({"file": str(file), **asdict(made)})
    else:
        output.print_line(f"{file}: {made.files:,} files, {made.bytes / 1e6:.1f} MB")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `spinefrac backup` wrote.")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace models, runs and databases that HOME holds."),
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Restore HOME from a backup, after every file in it has been verified.

    A server may run meanwhile, but no run may train.
    """
    from spinefrac.store import home_backup
    from spinefrac.training import runs

    if any(run.state == "running" for run in runs.list_runs()):
        raise BackupError(
            "A run is training, and its records would be replaced: wait until it has ended, or "
            "cancel it"
        )
    restored = home_backup.read(file, replace=replace)
    if as_json:
        output.print_json({"file": str(file), **asdict(restored)})
    else:
        output.print_line(f"{restored.files:,} files restored, saved {restored.created_at}")
