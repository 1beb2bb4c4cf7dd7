"""How often the audit takes neighbouring slices for copies, and how often it finds copies.

    python -m benchmarks copies

Slices that are no copies: phantoms of each difficulty, of another generator, the series of
../shared/data, and volumes cut into slices along each axis, also interpolated. A slice counts as
false where it is called an augmented copy, a patient where it is merged with another. Copies: those
of a public set under scrambled names, and slices that are changed here, one kind of change at a
time. A copy is found where it is bound to its slice, directly or through other copies.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.cluster.hierarchy import DisjointSet
from scipy.stats import binomtest

from spinefrac import imaging
from spinefrac.data import phantom
from spinefrac.data.duplicates.detail_store import DetailStore
from spinefrac.data.duplicates.noise_pattern import make_detail
from spinefrac.data.duplicates.search import (
    Duplicates,
    find_duplicates,
    make_thumbnail,
    merge_groups,
)
from spinefrac.imaging import apply_window
from spinefrac.records import BONE_WINDOW, GreyImage
from tests.support.drawn_phantom import KINDS, draw_patient

SHARED = Path(__file__).resolve().parents[1] / "../shared/data"
#: Patients of a phantom, and slices of each.
PATIENTS, SLICES = 60, 8
#: Slices of each source that are copied, and copies of each slice by every change.
COPIED = 24

Row = tuple[Any, ...]
#: Slices of patients, by a name of each.
Patients = dict[str, list[GreyImage]]
Rng = np.random.Generator


def measure() -> list[Row]:
    """Measure; return (what, value, target[, good]) of each figure."""
    table = [_count_false(name, patients) for name, patients in iterate_neighbours()]
    table += [*_count_public_copies(), *_count_series_with_copies()]
    table += [
        _count_found(f"{name}, {source}", slices, change)
        for source, slices in load_originals().items()
        for name, change in CHANGES.items()
    ]
    return table


def search(images: Sequence[GreyImage], groups: Sequence[str]) -> Duplicates:
    """Search slices as the audit does."""
    with DetailStore(map(make_detail, images)) as details:
        return find_duplicates(
            [str(row) for row in range(len(images))],
            np.stack([make_thumbnail(image) for image in images]),
            details,
            groups,
        )


def _format_share(count: int, of: int) -> str:
    """Format a share with its Wilson interval."""
    interval = binomtest(count, of).proportion_ci(method="wilson")
    return (
        f"{100 * count / of:.1f} % ({count} of {of}, 95 % CI "
        f"{100 * interval.low:.1f}-{100 * interval.high:.1f})"
    )


# --- slices that are no copies -------------------------------------------------------------


def iterate_neighbours() -> Iterator[tuple[str, Patients]]:
    """Yield sets of patients, none with a copy of a slice, and what they are."""
    for difficulty in ("easy", "standard", "hard"):
        yield f"phantom {difficulty}", _render_phantom(difficulty)
    for name, kind in KINDS.items():
        drawn = {
            f"P{seed}": draw_patient(1000 + seed, SLICES, kind) for seed in range(2 * PATIENTS)
        }
        yield f"drawn phantom, {name}", drawn
    if not SHARED.is_dir():
        return
    series = _load_series()
    yield "series of shared data", series
    for path in sorted((SHARED / "nifti").glob("*.nii.gz")):
        volume = _load_volume(path)
        for axis in range(3):
            yield f"{path.name} along axis {axis}", {"V": list(np.moveaxis(volume, axis, 0))}
    for times in (2, 4):
        yield (
            f"series of shared data, interpolated {times} times",
            {name: _interpolate(slices, times) for name, slices in series.items()},
        )


def _render_phantom(difficulty: str) -> Patients:
    return {
        f"P{patient}": [
            apply_window(
                phantom.render(
                    patient, z, patients=PATIENTS, slices=SLICES, seed=21, difficulty=difficulty
                ).hu,
                *BONE_WINDOW,
            )
            for z in range(SLICES)
        ]
        for patient in range(PATIENTS)
    }


def _load_series() -> Patients:
    """Load the series of shared data, slices in order."""
    found: Patients = {}
    for path in sorted((SHARED / "kaggle-csfdv1/originals").rglob("*.png"), key=_number_of):
        found.setdefault(path.name.split()[0], []).append(_load(path))
    for folder in (
        *sorted((SHARED / "rsna-2022-dicom").iterdir()),
        SHARED / "totalsegmentator-dicom",
    ):
        found[folder.name] = [_load(path) for path in sorted(folder.iterdir())]
    return found


def _number_of(path: Path) -> int:
    match = re.search(r"\((\d+)\)", path.name)
    return int(match[1]) if match else 0


def _load(path: Path) -> GreyImage:
    return imaging.to_display(imaging.read(path), BONE_WINDOW)


def _load_volume(path: Path) -> GreyImage:
    import nibabel

    return apply_window(np.asarray(nibabel.load(path).dataobj, dtype=np.float32), *BONE_WINDOW)


def _interpolate(slices: Sequence[GreyImage], times: int) -> list[GreyImage]:
    """Put slices between neighbours, as resampling of a volume does."""
    mixed = []
    for one, other in pairwise(slices):
        for step in range(times):
            mixed.append(cv2.addWeighted(one, 1 - step / times, other, step / times, 0))
    return mixed


def _count_false(name: str, patients: Patients) -> Row:
    images = [image for slices in patients.values() for image in slices]
    groups = [patient for patient, slices in patients.items() for _ in slices]
    found = search(images, groups)
    false = len({row for pair in found.altered for row in pair})
    merged = len(patients) - len(set(merge_groups(groups, found)))
    return (
        f"no copies: {name}",
        f"{_format_share(false, len(images))}; {merged} of {len(patients)} patients merged, "
        f"{len(found.near)} near pairs",
        "at most 1 %",
        false <= 0.01 * len(images) and not merged,
    )


# --- copies --------------------------------------------------------------------------------


def load_originals() -> dict[str, list[GreyImage]]:
    """Load slices far enough from each other that are changed."""
    drawn = [draw_patient(3000 + seed, 1)[0] for seed in range(COPIED)]
    rendered = [
        apply_window(
            phantom.render(n, 3, patients=COPIED, slices=SLICES, seed=22, difficulty=difficulty).hu,
            *BONE_WINDOW,
        )
        for n, difficulty in zip(range(COPIED), ("easy", "standard", "hard") * COPIED, strict=False)
    ]
    sources = {"phantoms": rendered, "drawn phantoms": drawn}
    if SHARED.is_dir():
        series = _load_series()
        sources["real slices"] = [image for slices in series.values() for image in slices[::6]]
    return sources


def _rotate(image: GreyImage, degrees: float) -> GreyImage:
    side = (image.shape[1], image.shape[0])
    centre = ((side[0] - 1) / 2, (side[1] - 1) / 2)
    return np.asarray(cv2.warpAffine(image, cv2.getRotationMatrix2D(centre, degrees, 1.0), side))


def _shrink(image: GreyImage, side: int) -> GreyImage:
    return np.asarray(cv2.resize(image, (side, side)))


def _sharpen(image: GreyImage) -> GreyImage:
    return np.asarray(cv2.filter2D(image, -1, np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])))


def _compress(image: GreyImage, quality: int) -> GreyImage:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))


def _crop(image: GreyImage, share: float) -> GreyImage:
    rows, columns = (int(side * share / 2) for side in image.shape)
    inner = image[rows : image.shape[0] - rows, columns : image.shape[1] - columns]
    return np.asarray(cv2.resize(inner, image.shape[::-1]))


def _add_noise(image: GreyImage, sigma: float, rng: Rng) -> GreyImage:
    return np.asarray((image + rng.normal(0, sigma, image.shape)).clip(0, 255), dtype=np.uint8)


def _degrees(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high) * rng.choice((-1, 1)))


CHANGES: dict[str, Callable[[GreyImage, Rng], GreyImage]] = {
    "rotated 3-12°": lambda i, r: _rotate(i, _degrees(r, 3, 12)),
    "rotated 12-180°": lambda i, r: _rotate(i, _degrees(r, 12, 180)),
    "rotated 90°": lambda i, r: np.rot90(i).copy(),
    "mirrored": lambda i, r: i[:, ::-1].copy(),
    "mirrored and rotated": lambda i, r: _rotate(i[:, ::-1].copy(), _degrees(r, 3, 20)),
    "rotated twice, 224 px": lambda i, r: _rotate(
        _shrink(_rotate(i, _degrees(r, 4, 12)), 224), _degrees(r, 4, 12)
    ),
    "sharpened, 224 px": lambda i, r: _sharpen(_shrink(i, 224)),
    "sharpened and rotated, 224 px": lambda i, r: _rotate(
        _sharpen(_shrink(i, 224)), _degrees(r, 4, 30)
    ),
    "shrunk to 224 px": lambda i, r: _shrink(i, 224),
    "shrunk to 96 px": lambda i, r: _shrink(i, 96),
    "JPEG 75": lambda i, r: _compress(i, 75),
    "JPEG 30": lambda i, r: _compress(i, 30),
    "mirrored, JPEG 50": lambda i, r: _compress(i[:, ::-1].copy(), 50),
    "blurred": lambda i, r: np.asarray(cv2.GaussianBlur(i, (0, 0), 2.0)),
    "blurred and rotated": lambda i, r: _rotate(
        np.asarray(cv2.GaussianBlur(i, (0, 0), 1.5)), _degrees(r, 4, 15)
    ),
    "brightened": lambda i, r: np.asarray(cv2.convertScaleAbs(i, alpha=1.0, beta=30)),
    "more contrast": lambda i, r: np.asarray(cv2.convertScaleAbs(i, alpha=1.2, beta=-10)),
    "brightened and rotated": lambda i, r: _rotate(
        np.asarray(cv2.convertScaleAbs(i, alpha=1.1, beta=15)), _degrees(r, 4, 15)
    ),
    "noise of 5 grey levels": lambda i, r: _add_noise(i, 5, r),
    "rotated, noise of 5 grey levels": lambda i, r: _add_noise(
        _rotate(i, _degrees(r, 4, 15)), 5, r
    ),
    "cropped by 6 %": lambda i, r: _crop(i, 0.06),
    "cropped by 15 %": lambda i, r: _crop(i, 0.15),
}


def _count_found(
    name: str, originals: Sequence[GreyImage], change: Callable[[GreyImage, Rng], GreyImage]
) -> Row:
    """Count the copies, each a group of its own, that are bound to their slice."""
    rng = np.random.default_rng(7)
    copies = [change(image, rng) for image in originals]
    groups = [str(row) for row in range(2 * len(originals))]
    found = search([*originals, *copies], groups)
    bound = _bind(len(groups), found)
    count = sum(bound[row] == bound[row + len(copies)] for row in range(len(copies)))
    value = _format_share(count, len(copies))
    return (f"copies found: {name}", value, "", None)


def _bind(count: int, found: Duplicates) -> dict[int, int]:
    """Return for each row the representative of those that are bound to it."""
    sets = DisjointSet(range(count))
    for rows in (*found.exact, *found.near):
        for row in rows[1:]:
            sets.merge(rows[0], row)
    return {row: sets[row] for row in range(count)}


def _count_public_copies() -> list[Row]:
    """Count the copies of the public set, each file a group of its own, bound to their slice."""
    if not SHARED.is_dir():
        return [("copies found: public set", "skipped: ../shared/data is absent", "")]
    paths = sorted((SHARED / "kaggle-csfdv1/with-augmented-copies").rglob("*.png"))
    names = [re.sub(r"(\)).*", r"\1", path.stem) for path in paths]
    found = search([_load(path) for path in paths], list(map(str, paths)))
    return _count_bound("public set, scrambled names", names, found)


def _count_series_with_copies() -> list[Row]:
    """Count the copies of a series of neighbouring slices, four of each, bound to their slice."""
    if not SHARED.is_dir():
        return []
    slices = _load_series()["CSFDV1B11"][-48:]
    rng = np.random.default_rng(3)
    changes = [CHANGES[name] for name in list(CHANGES)[:8]]
    images, names = list(slices), list(map(str, range(len(slices))))
    for row, image in enumerate(slices):
        for turn in range(4):
            images.append(changes[(row + 3 * turn) % len(changes)](image, rng))
            names.append(str(row))
    found = search(images, ["P"] * len(images))
    return _count_bound("48 neighbours with 4 copies each", names, found)


def _count_bound(what: str, names: Sequence[str], found: Duplicates) -> list[Row]:
    """Return the share of copies that are bound to their slice, and of slices bound to another.
    Rows with equal names are copies of each other."""
    sets = _bind(len(names), found)
    own: dict[str, int] = {}
    for row, name in enumerate(names):
        own.setdefault(name, row)
    copies = [row for row, name in enumerate(names) if own[name] != row]
    bound = sum(sets[row] == sets[own[names[row]]] for row in copies)
    altered = _bind(len(names), Duplicates(found.exact, found.altered))
    wrong = len(own) - len({altered[row] for row in own.values()})
    return [
        (f"copies found: {what}", _format_share(bound, len(copies)), "at least 99 %"),
        (f"slices taken for copies: {what}", _format_share(wrong, len(own)), "at most 1 %"),
    ]


if __name__ == "__main__":
    for line in measure():
        print(*line, sep="   ", file=sys.stdout)
