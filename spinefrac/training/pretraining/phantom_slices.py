"""Slices of phantoms with the masks of their fractures, rendered once for the pretraining.

A rendered part is a NumPy archive of a few patients, written atomically: an interrupted rendering
goes on with the parts that are missing.
"""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.data.phantom import render
from spinefrac.data.phantom.plan import GENERATOR_VERSION
from spinefrac.imaging import to_input
from spinefrac.records import CtSlice, GreyImage, Preprocessing, Square
from spinefrac.system import atomic, resource_limits

_PATIENTS_A_PART = 10
#: Slices of a patient's series; every `PhantomSource.step`-th of them is rendered.
SERIES_LENGTH = 12
#: Windows of half the slices, (least, greatest) in Hounsfield units; the other half are 8-bit
#: pictures, as PNG files are.
_CENTRES, _WIDTHS = (250.0, 700.0), (1100.0, 2800.0)


@dataclass(frozen=True, slots=True)
class PhantomSource:
    """A phantom whose slices are rendered.

    Attributes
    ----------
    difficulty, variety : str
        See `spinefrac.data.phantom.render`.
    seed : int
    patients : int
    step : int
        Every how many-th slice of a series is rendered: neighbours are alike.
    """

    difficulty: str
    seed: int
    patients: int
    step: int = 2
    variety: str = "narrow"

    @property
    def name(self) -> str:
        """Difficulty, and variety where it is not the usual one."""
        return self.difficulty if self.variety == "narrow" else f"{self.difficulty} {self.variety}"


#: Seeds of the pretraining alone: no test and no benchmark measures anything on them.
NARROW_SOURCES = (
    PhantomSource("hard", 9_150_001, patients=600),
    PhantomSource("standard", 9_150_002, patients=200),
)
WIDE_SOURCES = (
    PhantomSource("hard", 9_150_003, patients=400, variety="wide"),
    PhantomSource("standard", 9_150_004, patients=200, variety="wide"),
)
#: Of the curve that is shown while the network trains.
CURVE_SOURCES = (PhantomSource("hard", 9_150_011, patients=60, step=3),)
#: Of the figures on the card; nothing is decided by them.
FIGURE_SOURCES = (
    PhantomSource("hard", 9_150_021, patients=120, step=3),
    PhantomSource("standard", 9_150_022, patients=120, step=3),
    PhantomSource("hard", 9_150_023, patients=120, step=3, variety="wide"),
)


@dataclass(frozen=True)
class MaskedSlices:
    """Slices as model inputs, with the masks of their fractures.

    Attributes
    ----------
    pixels : uint8 array, shape (n, S, S)
    masks : uint8 array, shape (n, S, S)
        Share of each pixel that the fracture covers, 255 for all of it.
    labels : int64 array, shape (n,)
    patients : int64 array, shape (n,)
        Number of the patient, different over all sources.
    """

    pixels: GreyImage
    masks: GreyImage
    labels: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64]


def render_sources(
    folder: Path,
    sources: Sequence[PhantomSource],
    size: int,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MaskedSlices:
    """Return the slices of phantoms, from `folder` as far as they lie there.

    Parameters
    ----------
    folder : Path
        Of the rendered parts.
    sources : sequence of PhantomSource
    size : int
        Side S of the inputs, in pixels.
    workers : int, optional
        Processes that render; by default one a core.
    progress : callable, optional
        Called with (parts done, parts in all).

    Returns
    -------
    MaskedSlices
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        (source, first)
        for source in sources
        for first in range(0, source.patients, _PATIENTS_A_PART)
    ]
    missing = [part for part in parts if not _part_path(folder, *part, size).is_file()]
    work = partial(_render_part, folder, size)
    count = min(workers or os.cpu_count() or 1, len(missing))
    if count <= 1:
        for number, part in enumerate(missing):
            work(part)
            _report(progress, len(parts) - len(missing) + number + 1, len(parts))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(count, context, resource_limits.exit_with_parent) as pool:
            for number, _ in enumerate(pool.map(work, missing)):
                _report(progress, len(parts) - len(missing) + number + 1, len(parts))
    return _load_parts([_part_path(folder, *part, size) for part in parts])


def _report(progress: Callable[[int, int], None] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _part_path(folder: Path, source: PhantomSource, first: int, size: int) -> Path:
    facts = json.dumps([asdict(source), size, GENERATOR_VERSION])
    name = hashlib.sha256(facts.encode()).hexdigest()[:12]
    return folder / f"{source.difficulty}-{name}-{first:04}.npz"


def _render_part(folder: Path, size: int, part: tuple[PhantomSource, int]) -> None:
    source, first = part
    cv2.setNumThreads(1)  # the workers are the parallelism
    patients = range(first, min(first + _PATIENTS_A_PART, source.patients))
    rows = [
        (*render_masked_slice(source, patient, index, size), patient)
        for patient in patients
        for index in range(patient % source.step, SERIES_LENGTH, source.step)
    ]
    pixels, masks, labels, owners = zip(*rows, strict=True)
    stream = io.BytesIO()
    np.savez(
        stream,
        pixels=np.stack(pixels),
        masks=np.stack(masks),
        labels=np.array(labels, np.int64),
        patients=np.array(owners, np.int64),
    )
    atomic.write_bytes(_part_path(folder, source, first, size), stream.getvalue(), durable=False)


def _load_parts(paths: Sequence[Path]) -> MaskedSlices:
    loaded: list[dict[str, npt.NDArray]] = []
    names: dict[str, int] = {}
    for path in paths:
        with np.load(path) as arrays:
            part = dict(arrays)
        source = names.setdefault(path.name.rsplit("-", 1)[0], len(names))
        part["patients"] = part["patients"] + source * 10_000  # a phantom has at most 9999
        loaded.append(part)
    joined = {name: np.concatenate([part[name] for part in loaded]) for name in loaded[0]}
    return MaskedSlices(**joined)


def render_masked_slice(
    source: PhantomSource, patient: int, slice_index: int, size: int
) -> tuple[GreyImage, GreyImage, int]:
    """Render a slice as a model's input, its mask on the same square, and its label.

    Returns
    -------
    pixels, masks : uint8 array, shape (size, size)
        As `MaskedSlices` says.
    label : int
    """
    image = render(
        patient,
        slice_index,
        patients=source.patients,
        slices=SERIES_LENGTH,
        seed=source.seed,
        difficulty=source.difficulty,
        variety=source.variety,
    )
    rng = np.random.default_rng((source.seed, patient, slice_index))
    is_calibrated = bool(rng.random() < 0.5)
    preprocessing = Preprocessing(size=size)
    pixels = image.hu
    spacing = None
    if is_calibrated:
        preprocessing = Preprocessing(
            size=size,
            window_center=float(rng.uniform(*_CENTRES)),
            window_width=float(rng.uniform(*_WIDTHS)),
        )
        spacing = (image.spacing_mm, image.spacing_mm)
    else:
        pixels = image.grey.astype(np.float32)
    ct = CtSlice(
        pixels=pixels,
        calibrated=is_calibrated,
        format="dicom" if is_calibrated else "png",
        spacing_mm=spacing,
    )
    cut = to_input(ct, preprocessing)
    return cut.pixels, project_mask(image.mask, cut.square, size), image.label


def project_mask(mask: GreyImage, square: Square, size: int) -> GreyImage:
    """Resample a mask to the square of a slice that a model's input shows.

    Parameters
    ----------
    mask : uint8 array, shape (H, W)
        1 where the fracture is.
    square : Square
        May reach past the mask, where there is no fracture.
    size : int

    Returns
    -------
    uint8 array, shape (size, size)
        Share of each pixel that the fracture covers, 255 for all of it.
    """
    top, left, side = square.top, square.left, square.side
    whole = np.zeros((side, side), np.float32)
    bottom, right = min(top + side, mask.shape[0]), min(left + side, mask.shape[1])
    first_row, first_column = max(top, 0), max(left, 0)
    whole[first_row - top : bottom - top, first_column - left : right - left] = mask[
        first_row:bottom, first_column:right
    ]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    resized = cv2.resize(whole, (size, size), interpolation=method)
    return np.rint(resized * 255).astype(np.uint8)
