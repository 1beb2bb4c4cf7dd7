"""Fracture lines of many kinds, drawn into whatever bone there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinefrac.data.phantom.anatomy import Bone
from spinefrac.data.phantom.canvas import Points
from spinefrac.data.phantom.fractures import (
    body_lines,
    irregular_line,
    line_across_site,
    ray_to_outline,
    sample_lines,
)
from spinefrac.data.phantom.plan import Difficulty

_ARCH = ("lamina", "pedicle", "articular", "arch", "lateral mass")
_PROCESSES = ("transverse", "spinous")


def widen(difficulty: Difficulty, pixel_mm: float, rng: np.random.Generator) -> Difficulty:
    """Return the parameters of a slice's fracture, drawn around those of a difficulty.

    A line is never much thinner than a pixel of `pixel_mm`: nobody could see it.
    """
    least, most = difficulty.width_mm
    floor = 0.8 * pixel_mm
    low = max(least * rng.uniform(0.8, 1.2), floor)
    return replace(
        difficulty,
        width_mm=(low, max(most * rng.uniform(0.8, 1.3), 1.3 * floor)),
        contrast=(difficulty.contrast[0] * rng.uniform(0.9, 1.0), 1.0),
        displacement_probability=difficulty.displacement_probability * rng.uniform(0.4, 1.3),
        displacement_mm=(0.4, difficulty.displacement_mm[1] * rng.uniform(0.8, 1.5)),
    )


def sample_wide_lines(bone: Bone, difficulty: Difficulty, rng: np.random.Generator) -> list[Points]:
    """Return the axis of every line of one fracture, mm: always at least one."""
    kinds = [lambda: sample_lines(bone, difficulty, rng)]
    if bone.body.any():
        kinds += [
            lambda: _burst(bone, rng),
            lambda: _hairline(bone, rng),
            lambda: _corner_chip(bone, rng),
        ]
    if any(site.name.startswith(_ARCH) for site in bone.sites):
        kinds += [lambda: _across(bone, _ARCH, int(rng.integers(1, 4)), rng)] * 2
    if any(site.name.startswith(_PROCESSES) for site in bone.sites):
        kinds += [lambda: _across(bone, _PROCESSES, int(rng.integers(1, 3)), rng)]
    return kinds[rng.integers(len(kinds))]() or sample_lines(bone, difficulty, rng)


def _burst(bone: Bone, rng: np.random.Generator) -> list[Points]:
    """Lines of a burst: many through the body, and often one through the arch."""
    lines = body_lines(bone, rng) + body_lines(bone, rng)
    if rng.uniform() < 0.6:
        lines += _across(bone, _ARCH, 1, rng)
    return lines


def _hairline(bone: Bone, rng: np.random.Generator) -> list[Points]:
    """One almost straight line through the body, from edge to edge or ending inside."""
    centre, size = _middle(bone)
    turn = rng.uniform(0, 2 * np.pi)
    start = centre + rng.normal(0, 0.18 * size, 2)
    ends = [
        ray_to_outline(bone.body, bone.canvas, start, turn + k, rng)[[0, -1]] for k in (0, np.pi)
    ]
    rough = rng.uniform(0.03, 0.12)
    inside = start + (ends[1][1] - start) * rng.uniform(0.0, 0.5)
    last = inside if rng.uniform() < 0.4 else ends[1][1]
    return [irregular_line(ends[0][1], last, rng, rough)]


def _corner_chip(bone: Bone, rng: np.random.Generator) -> list[Points]:
    """A line that cuts a corner off the body."""
    centre, size = _middle(bone)
    turn = rng.uniform(0, 2 * np.pi)
    outward = np.array([np.cos(turn), np.sin(turn)])
    edge = ray_to_outline(bone.body, bone.canvas, centre, turn, rng)[-1]
    at = edge - outward * (2.0 + rng.uniform(0.05, 0.2) * size)
    across = turn + np.pi / 2 + rng.normal(0, 0.4)
    half = [ray_to_outline(bone.body, bone.canvas, at, across + k, rng) for k in (0, np.pi)]
    return [np.vstack([half[1][::-1], half[0][1:]])]


def _across(
    bone: Bone, names: tuple[str, ...], count: int, rng: np.random.Generator
) -> list[Points]:
    """Lines across `count` of the limbs whose names begin with one of `names`."""
    sites = [site for site in bone.sites if site.name.startswith(names)]
    chosen = rng.permutation(len(sites))[:count]
    return [line_across_site(sites[index], bone, rng) for index in chosen]


def _middle(bone: Bone) -> tuple[Points, float]:
    """Return the body's centre and the root of its area, mm."""
    rows, columns = np.nonzero(bone.body)
    matrix = bone.canvas.matrix
    centre = (np.array([columns.mean(), rows.mean()]) - matrix[:, 2]) * bone.canvas.pixel_size_mm
    return centre, float(np.sqrt(len(rows)) * bone.canvas.pixel_size_mm)
