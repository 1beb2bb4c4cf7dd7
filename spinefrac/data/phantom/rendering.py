"""One slice of the phantom, rendered from its index in the series alone."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from spinefrac.data.phantom import fractures, plan, tissue
from spinefrac.data.phantom.anatomy import Anatomy, build_bone, level_at
from spinefrac.data.phantom.canvas import Field, Mask
from spinefrac.data.phantom.plan import RandomStream
from spinefrac.data.phantom.scanner import Scanner
from spinefrac.errors import DatasetError

SIZES = (256, 512)
_BONE_STEP = {256: 0.24, 512: 0.16}  # mm a pixel of the bone's raster


@dataclass(frozen=True)
class PhantomSlice:
    """A rendered slice and its ground truth.

    Attributes
    ----------
    hu : float32 array, shape (S, S)
    mask : uint8 array, shape (S, S)
        1 where the fracture is; empty where there is none.
    label : int
        1 fracture, 0 none.
    spacing_mm : float
        Side of a pixel.
    thickness_mm : float
        Distance of neighbouring slices.
    region, level : str
        Region of the spine, and level within the vertebra.
    """

    hu: Field
    mask: Mask
    label: int
    spacing_mm: float
    thickness_mm: float
    region: str
    level: str


@dataclass(frozen=True)
class Series:
    """The parameters of a phantom: every slice follows from these and its index."""

    patients: int
    slices: int
    seed: int
    difficulty: str = "standard"
    size: int = 512

    def __post_init__(self) -> None:
        plan.get_difficulty(self.difficulty)
        if not 1 <= self.patients <= 9999 or not 1 <= self.slices <= 999:
            raise DatasetError(
                "a phantom has 1 to 9999 patients of 1 to 999 slices, not "
                f"{self.patients} of {self.slices}"
            )
        if self.seed < 0:
            raise DatasetError(f"a seed is 0 or more, not {self.seed}")
        if self.size not in SIZES:
            raise DatasetError(f"a phantom is 256 or 512 pixels wide, not {self.size}")

    @property
    def labels(self) -> np.ndarray:
        """Label of every slice, int64 array of shape (patients, slices)."""
        return _labels(self.patients, self.slices, self.seed)


@functools.lru_cache(maxsize=4)
def _labels(patients: int, slices: int, seed: int) -> np.ndarray:
    table = plan.sample_labels(patients, slices, seed)
    table.flags.writeable = False
    return table


def render(
    patient: int,
    slice_index: int,
    *,
    patients: int,
    slices: int,
    seed: int,
    difficulty: str = "standard",
    size: int = 512,
    fractured: bool | None = None,
    noise: bool = True,
) -> PhantomSlice:
    """Render one slice.

    Parameters
    ----------
    patient, slice_index : int
        Which, from 0.
    patients, slices, seed, difficulty, size
        The phantom that it belongs to; see `spinefrac.data.phantom.write`.
    fractured : bool, optional
        Renders this slice with or without its fracture, all else equal. By default as the
        phantom's own labels are.
    noise : bool
        False leaves the noise out.

    Returns
    -------
    PhantomSlice

    Raises
    ------
    DatasetError
        Where the parameters are out of range.
    """
    series = Series(patients, slices, seed, difficulty, size)
    if not (0 <= patient < patients and 0 <= slice_index < slices):
        raise DatasetError(f"no slice {slice_index} of patient {patient} in {patients} × {slices}")
    if fractured is None:
        fractured = bool(series.labels[patient, slice_index])
    return _render(series, patient, slice_index, fractured, noise)


def _render(
    s: Series, patient: int, slice_index: int, fractured: bool, noise: bool
) -> PhantomSlice:
    hardness = plan.get_difficulty(s.difficulty)
    anatomy = Anatomy.sample(
        plan.patient_generator(s.seed, patient, RandomStream.ANATOMY), s.slices
    )
    build = tissue.SoftTissue.sample(
        plan.patient_generator(s.seed, patient, RandomStream.TISSUE), anatomy.region
    )
    scanner = Scanner.sample(
        plan.patient_generator(s.seed, patient, RandomStream.SCANNER), anatomy.region, hardness
    )
    rng = plan.slice_generator(s.seed, patient, slice_index, RandomStream.BONE)
    distractors = int(rng.integers(hardness.distractor_count[0], hardness.distractor_count[1] + 1))
    bone = build_bone(anatomy, slice_index, rng, distractors, _BONE_STEP[s.size])
    mask = np.zeros((s.size, s.size), np.uint8)
    if fractured:
        breaking = plan.slice_generator(s.seed, patient, slice_index, RandomStream.FRACTURE)
        broken = fractures.add_fracture(bone, hardness, breaking)
        bone = broken.bone
        mask = scanner.project_mask(broken.fracture_mask, bone.canvas, s.size)
    around = tissue.paint_soft_tissue(anatomy, build, slice_index, scanner.tissue_canvas)
    hu = scanner.reconstruct(around, bone, s.size)
    if noise:
        hu = scanner.add_noise(
            hu, plan.slice_generator(s.seed, patient, slice_index, RandomStream.NOISE)
        )
    return PhantomSlice(
        hu=hu,
        mask=mask,
        label=int(fractured),
        spacing_mm=scanner.field_of_view / s.size,
        thickness_mm=anatomy.slice_spacing,
        region=str(anatomy.region),
        level=str(level_at(anatomy.relative_height(slice_index))),
    )
