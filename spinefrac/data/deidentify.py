"""De-identified copies of a folder of DICOM files, by the basic profile of PS3.15 Annex E.

`data.confidentiality_profile` says what is done to each file.
"""

from __future__ import annotations

import csv
import os
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from spinefrac.data import confidentiality_profile
from spinefrac.data.confidentiality_profile import PseudonymMapping, deidentify_file
from spinefrac.errors import DatasetError, ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.sources import Source
from spinefrac.imaging.system_files import is_system_file
from spinefrac.system import atomic
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.worker_pool import WorkerPool

QUARANTINE_FOLDER = "quarantine"

#: Of one file: the largest is there as read, as written and as returned; the wait is the disk's.
LIMITS = ResourceLimits(memory_mib=3072, file_mib=0, cpu_s=5, wall_s=30)
_MAX_FILES, _MAX_RSS_MIB = 2000, 512


@dataclass(frozen=True)
class DeidentificationResult:
    """Counts and names of the files of a folder.

    Attributes
    ----------
    copied : int
        Files copied.
    quarantined : tuple of (str, str)
        New name and reason of each file that was put into quarantine.
    skipped : tuple of (str, str)
        Name and reason of each file that was left out.
    """

    copied: int = 0
    quarantined: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = field(default=())


def deidentify(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    key: bytes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DeidentificationResult:
    """Copy the DICOM files of a folder without what identifies the patient.

    Class and split folders keep their names; every other folder and every file gets a new one,
    because names can identify patients. Files whose pixels may show text (BurnedInAnnotation is
    not NO) go to ``OUT/quarantine`` and are listed in ``OUT/quarantine.csv``. Each file is read
    and written in a process that may die; one that ends it is named and left out.

    Parameters
    ----------
    source, out : path
        `out` is created, or must be empty.
    key : bytes, optional
        Secret of the mapping; the same key gives the same names, UIDs and dates. Random and not
        saved by default.
    progress : callable, optional
        Called with the number of files done and of all files.

    Raises
    ------
    DatasetError
        If `source` is not a folder, or `out` is not empty or inside of it.
    """
    root, target = Path(source).resolve(), Path(out).resolve()
    if not root.is_dir():
        raise DatasetError(f"Expected a folder of DICOM files, but {source} is not a folder.")
    if target.is_relative_to(root) or (target.exists() and any(target.iterdir())):
        raise DatasetError(f"Expected a new or empty folder outside of {source}, got {out}.")
    pool = WorkerPool(
        confidentiality_profile.__name__,
        LIMITS,
        decoder_pool.describe_failure,
        max_calls=_MAX_FILES,
        max_rss_mib=_MAX_RSS_MIB,
        environment=decoder_pool.ENVIRONMENT,
    )
    with closing(pool):
        return _copy_files(pool, root, target, key or secrets.token_bytes(32), progress)


def _copy_files(
    pool: WorkerPool,
    root: Path,
    target: Path,
    key: bytes,
    progress: Callable[[int, int], None] | None,
) -> DeidentificationResult:
    files = sorted(
        path
        for path in root.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not is_system_file(path.relative_to(root).as_posix())
    )
    mapping = PseudonymMapping(key)
    copied = 0
    quarantined: list[tuple[str, str]] = []
    skipped: list[tuple[str, str]] = []
    for done, path in enumerate(files, start=1):
        relative = path.relative_to(root)
        try:
            made = pool.call(deidentify_file, Source.from_path(path, root), key)
        except ImageError as error:
            skipped.append((relative.as_posix(), str(error)))
        else:
            name, reason = mapping.map_path(relative), made.quarantine_reason
            place = target / QUARANTINE_FOLDER / name if reason else target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(place, made.content.data, durable=False)
            copied += not reason
            if reason:
                quarantined.append((name.as_posix(), reason))
        if progress:
            progress(done, len(files))
    if quarantined:
        table = target / f"{QUARANTINE_FOLDER}.csv"
        with table.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("path", "reason"), *quarantined])
    return DeidentificationResult(copied, tuple(quarantined), tuple(skipped))
