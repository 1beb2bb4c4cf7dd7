"""What holds over all slices of a patient of the wide variety."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from spinefrac.data.phantom.anatomy import Anatomy, Region
from spinefrac.data.phantom.export import Export
from spinefrac.data.phantom.plan import Difficulty
from spinefrac.data.phantom.tissue import SoftTissue
from spinefrac.data.phantom.wide.acquisition import Acquisition, BodyPart
from spinefrac.data.phantom.wide.texture import BoneTexture

_STRETCHED = (
    "body_width", "body_depth", "canal_width", "canal_depth", "pedicle", "lamina",
    "spinous_length", "spinous_width", "transverse",
)  # fmt: skip


class Part(StrEnum):
    """What a series shows: a vertebra below the axis, atlas and dens, or the skull base."""

    VERTEBRA = "vertebra"
    ATLAS = "atlas"
    SKULL = "skull"


_PARTS, _PART_SHARES = list(Part), (0.78, 0.1, 0.12)


@dataclass(frozen=True)
class WidePatient:
    """A patient, the scan and the export.

    Attributes
    ----------
    part : what the series shows.
    anatomy, soft_tissue, texture : the body.
    acquisition, export : the scan and how it was saved.
    tilt : difference in height between the two sides of a slice, as a share of the vertebra's
        height; `tilt_direction` is the direction in which the height falls, radians.
    growing : whether growth plates are open.
    operated : whether there are screws in the vertebra.
    """

    part: Part
    anatomy: Anatomy
    soft_tissue: SoftTissue
    texture: BoneTexture
    acquisition: Acquisition
    export: Export
    tilt: float
    tilt_direction: float
    growing: bool
    operated: bool

    @classmethod
    def sample(
        cls, rng: np.random.Generator, slices: int, difficulty: Difficulty, size: int
    ) -> WidePatient:
        """Draw a patient whose slices have `size` pixels a side."""
        part = _PARTS[rng.choice(len(_PARTS), p=_PART_SHARES)]
        anatomy = _sample_anatomy(rng, slices)
        if part is not Part.VERTEBRA:
            anatomy = replace(anatomy, region=Region.CERVICAL)
        return cls(
            part=part,
            anatomy=anatomy,
            soft_tissue=_sample_soft_tissue(rng, anatomy.region),
            texture=BoneTexture.sample(rng),
            acquisition=Acquisition.sample(rng, _body_part(part, anatomy.region), difficulty, size),
            export=Export.sample(rng, size),
            tilt=abs(rng.normal(0, 0.12)),
            tilt_direction=rng.uniform(0, 2 * np.pi),
            growing=bool(rng.uniform() < 0.15),
            operated=bool(part is Part.VERTEBRA and rng.uniform() < 0.06),
        )


def _body_part(part: Part, region: Region) -> BodyPart:
    if part is Part.SKULL:
        return "head"
    return "neck" if region is Region.CERVICAL else "trunk"


def _sample_anatomy(rng: np.random.Generator, slices: int) -> Anatomy:
    """Draw an anatomy with proportions, density and cortex beyond those of healthy adults."""
    adult = Anatomy.sample(rng, slices)
    stretched = {name: getattr(adult, name) * rng.uniform(0.85, 1.18) for name in _STRETCHED}
    bone_density = rng.uniform()  # from osteoporosis to a young athlete
    advance = rng.uniform(0.01, 0.16)
    return replace(
        adult,
        **stretched,
        hollow=adult.hollow * rng.uniform(0.2, 1.8),
        spinous_tilt=rng.normal(0, 3.0),
        facet_gap=rng.uniform(0.5, 2.4),
        foramen_radii=(rng.uniform(1.4, 3.6), rng.uniform(1.4, 3.6)),
        cortex_thickness=rng.uniform(0.35, 0.9) + 0.7 * bone_density * rng.uniform(),
        cortex_hu=rng.uniform(550, 1000) + 700 * bone_density * rng.uniform(),
        trabecular=rng.uniform(20, 140) + 260 * bone_density,
        trabecular_texture=rng.uniform(8, 90),
        degeneration=float(rng.uniform() ** 0.8),
        height_step=advance,
        slice_spacing=advance * adult.slice_spacing / adult.height_step,
    )


def _sample_soft_tissue(rng: np.random.Generator, region: Region) -> SoftTissue:
    adult = SoftTissue.sample(rng, region)
    return replace(
        adult,
        half_width=adult.half_width * rng.uniform(0.85, 1.25),
        half_depth=adult.half_depth * rng.uniform(0.9, 1.2),
        fat_thickness=adult.fat_thickness * rng.uniform(0.5, 1.6),
        fat_infiltration=rng.uniform(0, 1.3),
        contrast_hu=rng.uniform(35, 55) if rng.uniform() < 0.6 else rng.uniform(100, 420),
        has_collar=bool(region is Region.CERVICAL and rng.uniform() < 0.35),
        table_gap=rng.uniform(0, 30) if rng.uniform() < 0.6 else None,
    )
