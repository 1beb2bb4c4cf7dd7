"""Sixteen rendered slices on which files of one network are compared: nobody's pictures."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.data import phantom
from spinefrac.imaging.hounsfield import BONE_WINDOW
from spinefrac.records import CtSlice, GreyImage, Preprocessing

#: A phantom of its own seed, four patients of four slices.
_PHANTOM_PARAMETERS = {"patients": 4, "slices": 4, "seed": 1616, "size": 256}
N_SLICES = 16


@functools.cache
def render_slices() -> tuple[CtSlice, ...]:
    """Return the slices as 8-bit pictures of 256 x 256 pixels, as from a PNG."""
    return tuple(
        CtSlice(imaging.apply_window(found.hu, *BONE_WINDOW).astype(np.float32), False, "png")
        for found in (
            phantom.render(patient, slice_, **_PHANTOM_PARAMETERS)  # type: ignore[arg-type]
            for patient in range(_PHANTOM_PARAMETERS["patients"])
            for slice_ in range(_PHANTOM_PARAMETERS["slices"])
        )
    )


def render_inputs(preprocessing: Preprocessing) -> GreyImage:
    """Return them as a model sees them, uint8 (16, S, S)."""
    return np.stack([imaging.to_input(ct, preprocessing).pixels for ct in render_slices()])


def render_labelled_inputs(
    preprocessing: Preprocessing, patients: int, per_patient: int, seed: int
) -> tuple[GreyImage, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return more of them with their truth: inputs (N, S, S), labels (N,), patients (N,)."""
    series = {"patients": patients, "slices": per_patient, "seed": seed, "size": 256}
    places = [(p, s) for p in range(patients) for s in range(per_patient)]
    found = [phantom.render(p, s, **series) for p, s in places]  # type: ignore[arg-type]
    pixels = [
        imaging.to_input(
            CtSlice(one.hu, True, "dicom", bits=16, spacing_mm=(one.spacing_mm, one.spacing_mm)),
            preprocessing,
        ).pixels
        for one in found
    ]
    labels = np.array([one.label for one in found], np.int64)
    return np.stack(pixels), labels, np.array([p for p, _ in places], np.int64)
