"""One slice of the phantom, rendered from its index in the series alone."""

from __future__ import annotations

import numpy as np

from spinefrac.data.phantom import fractures, plan, tissue, wide
from spinefrac.data.phantom.anatomy import Anatomy, build_bone, level_at
from spinefrac.data.phantom.plan import RandomStream
from spinefrac.data.phantom.scanner import Scanner
from spinefrac.data.phantom.series import PhantomSlice, Series
from spinefrac.errors import DatasetError

__all__ = ["PhantomSlice", "Series", "render"]

_BONE_STEP = {256: 0.24, 512: 0.16}  # mm a pixel of the bone's raster


def render(
    patient: int,
    slice_index: int,
    *,
    patients: int,
    slices: int,
    seed: int,
    difficulty: str = "standard",
    size: int = 512,
    variety: str = "narrow",
    scans: bool = False,
    fractured: bool | None = None,
    noise: bool = True,
) -> PhantomSlice:
    """Render one slice.

    Parameters
    ----------
    patient, slice_index : int
        Which, from 0.
    patients, slices, seed, difficulty, size, variety, scans
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
    series = Series(patients, slices, seed, difficulty, size, variety, scans)
    if not (0 <= patient < patients and 0 <= slice_index < slices):
        raise DatasetError(f"no slice {slice_index} of patient {patient} in {patients} × {slices}")
    if fractured is None:
        labels = series.plan_scan(patient).labels if scans else series.labels[patient]
        fractured = bool(labels[slice_index])
    draw = wide.render if variety == "wide" else _render_narrow
    return draw(series, patient, slice_index, fractured, noise)


def _render_narrow(
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
        breaking = _make_fracture_generator(s, patient, slice_index)
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
        vertebra=s.plan_scan(patient).vertebrae[slice_index] if s.scans else "",
    )


def _make_fracture_generator(s: Series, patient: int, slice_index: int) -> np.random.Generator:
    """Return what draws a fracture: in a scan the same on all slices, so that it runs on."""
    if s.scans:
        return plan.patient_generator(s.seed, patient, RandomStream.FRACTURE)
    return plan.slice_generator(s.seed, patient, slice_index, RandomStream.FRACTURE)
