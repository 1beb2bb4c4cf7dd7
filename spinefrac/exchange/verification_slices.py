"""Synthetic slices on which the files of one network are compared: of no patient."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.data import phantom
from spinefrac.imaging.hounsfield import BONE_WINDOW
from spinefrac.records import CtSlice, GreyImage, Preprocessing

#: A phantom with a seed of its own: four patients with four slices each.
_PHANTOM_PARAMETERS = {"patients": 4, "slices": 4, "seed": 1616, "size": 256}


@functools.cache
def render_slices() -> tuple[CtSlice, ...]:
    """Return the 16 slices as 8-bit images of 256 x 256 pixels, as from a PNG."""
    return tuple(
        CtSlice(imaging.apply_window(rendered.hu, *BONE_WINDOW).astype(np.float32), False, "png")
        for rendered in (
            phantom.render(patient, slice_, **_PHANTOM_PARAMETERS)  # type: ignore[arg-type]
            for patient in range(_PHANTOM_PARAMETERS["patients"])
            for slice_ in range(_PHANTOM_PARAMETERS["slices"])
        )
    )


def render_inputs(preprocessing: Preprocessing) -> GreyImage:
    """Return the 16 slices as inputs of a model, uint8 (16, S, S)."""
    return np.stack([imaging.to_input(ct, preprocessing).pixels for ct in render_slices()])


def render_labelled_inputs(
    preprocessing: Preprocessing, patients: int, per_patient: int, seed: int
) -> tuple[GreyImage, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return more slices with their labels.

    Returns
    -------
    inputs : uint8 array, shape (N, S, S)
    labels : int64 array, shape (N,)
        1 for a fracture.
    patients : int64 array, shape (N,)
    """
    series = {"patients": patients, "slices": per_patient, "seed": seed, "size": 256}
    indices = [(patient, slice_) for patient in range(patients) for slice_ in range(per_patient)]
    rendered = [phantom.render(*index, **series) for index in indices]  # type: ignore[arg-type]
    pixels = [
        imaging.to_input(
            CtSlice(one.hu, True, "dicom", bits=16, spacing_mm=(one.spacing_mm, one.spacing_mm)),
            preprocessing,
        ).pixels
        for one in rendered
    ]
    labels = np.array([one.label for one in rendered], np.int64)
    return np.stack(pixels), labels, np.array([patient for patient, _ in indices], np.int64)
