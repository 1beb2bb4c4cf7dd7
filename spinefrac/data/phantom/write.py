"""A whole phantom as a folder.

``OUT/fracture/P012_03.png`` and ``OUT/normal/P012_07.png`` are the slices (`.dcm` as DICOM),
``OUT/masks/P012_03.png`` is the fracture (255) of every positive slice, and ``OUT/phantom.json``
holds the parameters and the ground truth of each slice. A file appears by a rename.

A phantom of scans has one folder a patient, ``OUT/P012/P012_03.png``, and tables of labels, see
`spinefrac.data.phantom.scan_tables`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spinefrac.data.phantom import scan_tables
from spinefrac.data.phantom.dicom import to_dicom
from spinefrac.data.phantom.plan import GENERATOR_VERSION
from spinefrac.data.phantom.rendering import render
from spinefrac.data.phantom.series import Series
from spinefrac.errors import DatasetError
from spinefrac.system import atomic, reading, resource_limits

GROUND_TRUTH_FILE = "phantom.json"
CLASS_FOLDERS = ("normal", "fracture")
MASK_FOLDER = "masks"
_SUFFIX = {"png": ".png", "dicom": ".dcm"}
#: Parameters that earlier versions did not have, as they were then.
_EARLIER = {"variety": "narrow", "scans": False}
_BATCH_SIZE = 8  # slices handed to a worker at once


@dataclass(frozen=True)
class PhantomSummary:
    """What was written; `fracture` and `normal` count slices."""

    folder: str
    patients: int
    fractured_patients: int
    slices: int
    fracture: int
    normal: int
    seed: int
    difficulty: str
    format: str
    size: int
    variety: str
    scans: bool
    generator_version: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def write_phantom(
    out: str | os.PathLike[str],
    *,
    patients: int,
    slices: int,
    seed: int,
    difficulty: str = "standard",
    format: str = "png",
    size: int = 512,
    variety: str = "narrow",
    scans: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PhantomSummary:
    """Write a phantom: the slices, ``masks/`` and ``phantom.json``.

    A second call with the same parameters writes the same files again, which completes an
    interrupted one.

    Parameters
    ----------
    out : path
        A new or empty folder, or one that holds this very phantom.
    patients, slices : int
        How many patients, and how many slices each.
    seed : int
        The same seed gives the same files, whatever the number of workers.
    difficulty : {"easy", "standard", "hard"}
    format : {"png", "dicom"}
        PNG has 8 bits: the bone window, or whatever window the wide variety drew. DICOM is in
        Hounsfield units.
    size : {512, 256}
        Side of the slices in pixels.
    variety : {"narrow", "wide"}
        The wide one varies anatomy, scan and picture far more, for training.
    scans : bool
        Scans, one folder a patient, with labels of scans, of vertebrae and of slices.
    workers : int, optional
        Processes; by default one a core.
    progress : callable, optional
        Called with (slices done, slices in all).

    Raises
    ------
    DatasetError
        Where a parameter is out of range, or the folder holds anything else.
    """
    series, folder = Series(patients, slices, seed, difficulty, size, variety, scans), Path(out)
    if format not in _SUFFIX:
        raise DatasetError(f"expected the format png or dicom for a phantom, got {format!r}")
    parameters = {**asdict(series), "format": format, "generator_version": GENERATOR_VERSION}
    patient_folders = [name_patient(patient) for patient in range(patients)]
    parts = patient_folders if scans else list(CLASS_FOLDERS)
    claim_folder(folder, parameters, parts)
    truth = _write_slices(folder, series, format, workers, progress)
    if scans:
        scan_tables.write_label_tables(folder, truth)
    content = {**parameters, "complete": True, "slices_truth": truth}
    atomic.write_bytes(folder / GROUND_TRUTH_FILE, encode_json(content))
    return _summarize(folder, series, format)


def _write_slices(
    folder: Path,
    series: Series,
    format: str,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> list[dict[str, Any]]:
    """Write all slices and masks; return the ground truth of each slice."""
    indices = [(p, s) for p in range(series.patients) for s in range(series.slices)]
    batches = [indices[i : i + _BATCH_SIZE] for i in range(0, len(indices), _BATCH_SIZE)]
    truth: list[dict[str, Any]] = []
    done = _run_batches(partial(_write_batch, str(folder), series, format), batches, workers)
    with closing(done):  # an interrupt here must not leave the workers to finish everything
        for rows in done:
            truth += rows
            if progress is not None:
                progress(len(truth), len(indices))
    return truth


def _summarize(folder: Path, series: Series, format: str) -> PhantomSummary:
    positive = int(series.labels.sum())
    count = series.patients * series.slices
    return PhantomSummary(
        folder=str(folder),
        patients=series.patients,
        fractured_patients=int(series.labels.any(axis=1).sum()),
        slices=count,
        fracture=positive,
        normal=count - positive,
        seed=series.seed,
        difficulty=series.difficulty,
        format=format,
        size=series.size,
        variety=series.variety,
        scans=series.scans,
        generator_version=GENERATOR_VERSION,
    )


def name_patient(patient: int) -> str:
    """Return how files and tables name a patient."""
    return f"P{patient:03d}"


def claim_folder(
    folder: Path, parameters: dict[str, Any], parts: Sequence[str] = CLASS_FOLDERS
) -> None:
    """Create the folders of a phantom, or refuse a folder with other contents."""
    truth = folder / GROUND_TRUTH_FILE
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"expected a folder at {folder}, found a file: choose another folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not _holds_same_phantom(truth, parameters):
            raise DatasetError(
                f"{folder} is not empty and does not hold this phantom: "
                "choose a new folder or empty that one"
            )
        return
    for name in (*parts, MASK_FOLDER):
        (folder / name).mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(truth, encode_json({**parameters, "complete": False}))


def _holds_same_phantom(truth: Path, parameters: dict[str, Any]) -> bool:
    try:
        found = reading.parse_json(truth.read_bytes(), max_bytes=2**28)
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and all(
        found.get(k, _EARLIER.get(k)) == v for k, v in parameters.items()
    )


def read_varieties(root: Path, paths: Sequence[str]) -> list[str]:
    """Return the variety of the phantom that each slice of a data set belongs to.

    Parameters
    ----------
    root : Path
        Holds a phantom, or phantoms beside each other as a mixture does.
    paths : sequence of str
        Relative to `root`.

    Returns
    -------
    list of str
        One of `VARIETIES`; empty for a slice of no phantom, and for a real slice with drawn lines.
    """
    known: dict[str, str] = {"": _read_variety(root)}
    found = []
    for path in paths:
        part = Path(path).parts[0]
        if part not in known:
            known[part] = _read_variety(root / part)
        found.append(known[part] or known[""])
    return found


def _read_variety(folder: Path) -> str:
    """Return the variety of the phantom in a folder; empty where there is none.

    Real slices with drawn fractures have such a file too, which counts ``backgrounds``.
    """
    try:
        found = reading.parse_json((folder / GROUND_TRUTH_FILE).read_bytes(), max_bytes=2**28)
    except (OSError, ValueError):
        return ""
    if not isinstance(found, dict) or "patients" not in found:
        return ""
    return str(found.get("variety", _EARLIER["variety"]))


def _run_batches(
    work: Callable[[list[tuple[int, int]]], list[dict[str, Any]]],
    batches: list[list[tuple[int, int]]],
    workers: int | None,
) -> Generator[list[dict[str, Any]]]:
    """Do batches in order, in this process or in spawned ones."""
    count = min(workers or os.cpu_count() or 1, len(batches))
    if count <= 1:
        yield from map(work, batches)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        with _defer_interrupt():
            done = pool.map(work, batches)  # starts the workers
        yield from done
    finally:
        # Not `with`: its exit would say that what waits shall still be done.
        pool.shutdown(cancel_futures=True)


@contextmanager
def _defer_interrupt() -> Generator[None]:
    """Hold an interrupt back until the block ends; processes started in it never see one.

    A terminal interrupts the whole process group. A worker that is still importing would answer
    with a traceback, and a pool that is interrupted while it starts one waits for it for ever.
    """
    if os.name == "nt" or threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    # The mask is for the workers, which inherit it. This process has threads of libraries that
    # do not block the signal, so it needs a handler too.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    handler = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if held:
        signal.raise_signal(signal.SIGINT)


def _start_worker() -> None:
    cv2.setNumThreads(1)  # the workers are the parallelism
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    resource_limits.exit_with_parent()  # one that was killed can say nothing


def _write_batch(
    folder: str, series: Series, format: str, places: list[tuple[int, int]]
) -> list[dict[str, Any]]:
    return [_write_slice(Path(folder), series, format, *place) for place in places]


def _write_slice(
    folder: Path, series: Series, format: str, patient: int, slice_index: int
) -> dict[str, Any]:
    """Write one slice and, where there is a fracture, its mask; return its ground truth."""
    image = render(patient, slice_index, **asdict(series))
    name = f"{name_patient(patient)}_{slice_index:02d}"
    part = name_patient(patient) if series.scans else CLASS_FOLDERS[image.label]
    path = f"{part}/{name}{_SUFFIX[format]}"
    mask = f"{MASK_FOLDER}/{name}.png" if image.label else None
    if mask is not None:
        atomic.write_bytes(folder / mask, encode_png(image.mask * 255), durable=False)
    data = (
        to_dicom(image, series, patient, slice_index)
        if format == "dicom"
        else encode_png(image.grey)
    )
    atomic.write_bytes(folder / path, data, durable=False)
    return {
        "path": path,
        "mask": mask,
        "label": image.label,
        "patient": name_patient(patient),
        "slice": slice_index,
        "spacing_mm": round(image.spacing_mm, 6),
        "thickness_mm": round(image.thickness_mm, 4),
        "region": image.region,
        "level": image.level,
        **({"vertebra": image.vertebra} if series.scans else {}),
    }


def encode_png(pixels: np.ndarray) -> bytes:
    """Return an 8-bit picture as the bytes of a PNG file."""
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    assert done, "OpenCV encodes any 8-bit image"
    return data.tobytes()


def encode_json(content: dict[str, Any]) -> bytes:
    """Return what `phantom.json` holds as bytes."""
    return (json.dumps(content, indent=1) + "\n").encode()
