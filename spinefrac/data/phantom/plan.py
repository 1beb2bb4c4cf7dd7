"""Who is fractured, on which slices, and which random stream draws what.

Every draw comes from ``SeedSequence(seed, spawn_key=(patient, slice, stream))``, so a slice is
the same whichever process renders it and in whatever order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from spinefrac.errors import DatasetError

#: Raised with every change that alters a slice; saved in ``phantom.json``.
GENERATOR_VERSION = 1

_FRACTURED_PATIENTS = 0.58
_FRACTURED_SLICES = 0.80  # of a fractured patient's slices: 46 % of all slices are positive
_WHOLE_SET = 2**31 - 1  # spawn keys that no patient or slice number reaches
_WHOLE_PATIENT = 2**31 - 1


class RandomStream(IntEnum):
    """Purposes of random streams. A fracture draws from its own, so that the same slice can
    be rendered with and without it."""

    ANATOMY = 0
    SCANNER = 1
    TISSUE = 2
    BONE = 3
    FRACTURE = 4
    NOISE = 5
    LABELS = 6
    # Those of the wide variety, which shares no draw with the narrow one.
    WIDE_PATIENT = 7
    WIDE_SLICE = 8
    WIDE_FRACTURE = 9
    WIDE_NOISE = 10
    SCAN = 11


@dataclass(frozen=True)
class Difficulty:
    """Parameters of a difficulty. Ranges are (minimum, maximum).

    Attributes
    ----------
    width_mm : width of a fracture line.
    contrast : share of the bone's density that is missing inside the line; below 1 the line
        does not run through the whole slice thickness.
    displacement_probability : probability that separated fragments are shifted.
    displacement_mm : by how much.
    extra_line_probability : probability of each further fracture line after the first.
    noise_hu : standard deviation of the noise.
    psf_mm : standard deviation of the point spread function.
    distractor_count : vessel channels and similar lucencies per slice, in both classes.
    """

    width_mm: tuple[float, float]
    contrast: tuple[float, float]
    displacement_probability: float
    displacement_mm: tuple[float, float]
    extra_line_probability: float
    noise_hu: tuple[float, float]
    psf_mm: tuple[float, float]
    distractor_count: tuple[int, int]


DIFFICULTIES = {
    "easy": Difficulty(
        width_mm=(2.0, 3.0),
        contrast=(0.95, 1.0),
        displacement_probability=0.9,
        displacement_mm=(1.5, 3.0),
        extra_line_probability=0.75,
        noise_hu=(12, 28),
        psf_mm=(0.24, 0.36),
        distractor_count=(0, 2),
    ),
    "standard": Difficulty(
        width_mm=(1.2, 2.5),
        contrast=(0.85, 1.0),
        displacement_probability=0.65,
        displacement_mm=(1.0, 2.5),
        extra_line_probability=0.6,
        noise_hu=(20, 50),
        psf_mm=(0.24, 0.42),
        distractor_count=(1, 3),
    ),
    "hard": Difficulty(
        width_mm=(0.5, 1.5),
        contrast=(0.6, 0.95),
        displacement_probability=0.25,
        displacement_mm=(0.5, 1.5),
        extra_line_probability=0.4,
        noise_hu=(45, 95),
        psf_mm=(0.28, 0.5),
        distractor_count=(2, 5),
    ),
}


def get_difficulty(name: str) -> Difficulty:
    """Return a difficulty by its name.

    Raises
    ------
    DatasetError
        For a name that is none of ``easy``, ``standard`` and ``hard``.
    """
    if name not in DIFFICULTIES:
        valid = ", ".join(DIFFICULTIES)
        raise DatasetError(f"difficulty {name!r} is not known: choose one of {valid}")
    return DIFFICULTIES[name]


def whole_set_generator(seed: int, stream: RandomStream) -> np.random.Generator:
    """Return the generator of what holds over all patients."""
    return _generator(seed, _WHOLE_SET, _WHOLE_SET, stream)


def patient_generator(seed: int, patient: int, stream: RandomStream) -> np.random.Generator:
    """Return the generator of what holds over all slices of a patient."""
    return _generator(seed, patient, _WHOLE_PATIENT, stream)


def slice_generator(
    seed: int, patient: int, slice_index: int, stream: RandomStream
) -> np.random.Generator:
    """Return the generator of what differs from slice to slice."""
    return _generator(seed, patient, slice_index, stream)


def _generator(
    seed: int, patient: int, slice_index: int, stream: RandomStream
) -> np.random.Generator:
    sequence = np.random.SeedSequence(seed, spawn_key=(patient, slice_index, int(stream)))
    return np.random.Generator(np.random.SFC64(sequence))


def sample_labels(patients: int, slices: int, seed: int) -> np.ndarray:
    """Return the label of every slice, int64 array of shape (patients, slices).

    A fixed share of the patients is fractured, drawn at random. Their fracture is seen on a
    run of neighbouring slices that starts anywhere and goes on at the first slice after the
    last, so that the position in the series gives no information.
    """
    table = np.zeros((patients, slices), np.int64)
    chosen = whole_set_generator(seed, RandomStream.LABELS).permutation(patients)
    share = _FRACTURED_PATIENTS
    fractured = min(max(round(share * patients), 1), max(patients - 1, 1))
    for patient in chosen[:fractured]:
        rng = patient_generator(seed, int(patient), RandomStream.LABELS)
        run = round(slices * (_FRACTURED_SLICES + rng.uniform(-0.1, 0.1)))
        run = min(max(run, 1), max(slices - 1, 1))
        table[patient, (rng.integers(slices) + np.arange(run)) % slices] = 1
    return table
