"""One slice of the wide variety, rendered from its index in the series alone."""

from __future__ import annotations

import cv2
import numpy as np

from spinefrac.data.phantom import fractures, plan, tissue
from spinefrac.data.phantom.anatomy import Bone, level_at
from spinefrac.data.phantom.canvas import Canvas, Field, Mask
from spinefrac.data.phantom.plan import Difficulty, RandomStream
from spinefrac.data.phantom.scanner import Scanner
from spinefrac.data.phantom.series import PhantomSlice, Series
from spinefrac.data.phantom.wide.atlas import build_atlas
from spinefrac.data.phantom.wide.confounders import add_confounders
from spinefrac.data.phantom.wide.lines import sample_wide_lines, widen
from spinefrac.data.phantom.wide.metal import add_metal, sample_screws
from spinefrac.data.phantom.wide.patient import Part, WidePatient
from spinefrac.data.phantom.wide.skull import build_skull
from spinefrac.data.phantom.wide.surroundings import add_surroundings
from spinefrac.data.phantom.wide.texture import add_texture
from spinefrac.data.phantom.wide.vertebra import build_tilted_bone, deform

_LEAST_STEP = {256: 0.28, 512: 0.2}  # mm a pixel of the bone's raster, at least
_LEAST_PIXELS = 20  # of a fracture in the slice; else another is drawn
_TRIES = 8
_HEAD_STEP = 0.3  # mm; a head is large and its bones are not fine


def render(
    series: Series, patient: int, slice_index: int, fractured: bool, noise: bool
) -> PhantomSlice:
    """Render one slice, with or without its fracture and its noise."""
    difficulty = plan.get_difficulty(series.difficulty)
    person = WidePatient.sample(
        plan.patient_generator(series.seed, patient, RandomStream.WIDE_PATIENT),
        series.slices, difficulty, series.size,
    )  # fmt: skip
    scanner = person.acquisition.scanner
    streams = {
        stream: plan.slice_generator(series.seed, patient, slice_index, stream)
        for stream in (RandomStream.WIDE_SLICE, RandomStream.WIDE_FRACTURE, RandomStream.WIDE_NOISE)
    }
    rng = streams[RandomStream.WIDE_SLICE]
    height = person.anatomy.relative_height(slice_index)
    pixel = scanner.field_of_view / series.size
    bone, around = _build(
        person, slice_index, height, max(_LEAST_STEP[series.size], pixel / 2), rng
    )
    metal = sample_screws(bone.canvas, rng) if person.operated else bone.canvas.empty_mask()
    mask = np.zeros((series.size, series.size), np.uint8)
    if fractured:
        breaking = streams[RandomStream.WIDE_FRACTURE]
        hardness = widen(difficulty, pixel, breaking)
        bone, mask = _break(bone, metal, scanner, hardness, series.size, breaking)
    add_metal(bone, metal)
    hu = _scan(person, around, bone, metal, series.size, rng)
    if noise:
        hu = scanner.add_noise(hu, streams[RandomStream.WIDE_NOISE])
    return PhantomSlice(
        hu=hu,
        mask=mask,
        label=int(fractured),
        spacing_mm=pixel,
        thickness_mm=person.anatomy.slice_spacing,
        region=str(person.anatomy.region if person.part is Part.VERTEBRA else person.part),
        level=str(level_at(height)),
        export=person.export,
    )


def _break(
    bone: Bone,
    metal: Mask,
    scanner: Scanner,
    difficulty: Difficulty,
    size: int,
    rng: np.random.Generator,
) -> tuple[Bone, Mask]:
    """Return the bone with a fracture that lies in the slice, and its mask, shape (size, size)."""
    best = bone, np.zeros((size, size), np.uint8)
    for _ in range(_TRIES):
        broken = fractures.add_fracture(bone, difficulty, rng, sample_wide_lines)
        mask = scanner.project_mask(broken.fracture_mask & (1 - metal), bone.canvas, size)
        if mask.sum() > best[1].sum():
            best = broken.bone, mask
        if mask.sum() >= _LEAST_PIXELS:
            break
    return best


def _build(
    person: WidePatient, slice_index: int, height: float, step: float, rng: np.random.Generator
) -> tuple[Bone, Field]:
    """Return the unbroken bone, and the tissue around it in HU on the scanner's canvas."""
    canvas = person.acquisition.scanner.tissue_canvas
    if person.part is Part.SKULL:
        bone, head = build_skull(person.anatomy, height, rng, max(step, _HEAD_STEP))
        around = _lay_over_air(head, bone.canvas, canvas)
    else:
        around = tissue.paint_soft_tissue(person.anatomy, person.soft_tissue, slice_index, canvas)
        add_surroundings(around, canvas, person.anatomy, rng)
        if person.part is Part.ATLAS:
            bone = build_atlas(person.anatomy, height, rng, step)
        else:
            bone = build_tilted_bone(
                person.anatomy, height, person.tilt, person.tilt_direction, rng,
                int(rng.integers(0, 4)), step,
            )  # fmt: skip
    bone = deform(bone, rng.uniform(0, 1.0), rng)
    add_texture(bone, person.texture, rng)
    add_confounders(bone, person.growing, rng)
    return bone, around


def _lay_over_air(image: Field, canvas: Canvas, onto: Canvas) -> Field:
    laid = cv2.warpAffine(
        image,
        canvas.transform_to(onto),
        (onto.width, onto.height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=-1000,
    )
    return np.asarray(laid, np.float32)


def _scan(
    person: WidePatient,
    around: Field,
    bone: Bone,
    metal: Mask,
    size: int,
    rng: np.random.Generator,
) -> Field:
    """Return the slice without noise, HU, shape (size, size)."""
    acquisition = person.acquisition
    hu = acquisition.scanner.reconstruct(around, bone, size)
    hu = acquisition.blur_thickness(hu, rng)
    place = None
    if metal.any():
        rows, columns = np.nonzero(metal)
        matrix = bone.canvas.transform_to(acquisition.scanner.canvas(size))
        x, y = matrix[:, :2] @ (columns.mean(), rows.mean()) + matrix[:, 2]
        place = (float(x), float(y))
    return acquisition.add_artefacts(hu, place, rng)
