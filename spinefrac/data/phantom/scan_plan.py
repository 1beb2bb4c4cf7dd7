"""Scans of the phantom: which vertebra each slice cuts, and on which slices one is fractured.

Unlike in a phantom of slices, a fracture lies within one vertebra, on a few neighbouring slices,
and is the same fracture on all of them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.data.phantom import plan
from spinefrac.data.phantom.anatomy import Anatomy, Region
from spinefrac.data.phantom.plan import RandomStream

#: Vertebrae from the top of the spine.
VERTEBRAE = (
    *(f"C{number}" for number in range(1, 8)),
    *(f"T{number}" for number in range(1, 13)),
    *(f"L{number}" for number in range(1, 6)),
)
#: The vertebra that the first slice of a scan can cut, by region: the first and the last.
_STARTS = {
    Region.CERVICAL: ("C3", "C6"),
    Region.THORACIC: ("T1", "T9"),
    Region.LUMBAR: ("L1", "L4"),
}
#: Slices that a fracture is seen on.
FRACTURE_SLICES = (3, 12)
#: With fewer, no vertebra might have enough slices.
MIN_SLICES = 12
#: Share of the patients with a fracture.
_FRACTURED_PATIENTS = 0.5


@dataclass(frozen=True)
class ScanPlan:
    """The ground truth of one scan.

    Attributes
    ----------
    vertebrae : tuple of str, length S
        The vertebra that each slice cuts, such as ``C5``; the disc below belongs to it.
    labels : int64 array, shape (S,)
        1 where the fracture is seen.
    """

    vertebrae: tuple[str, ...]
    labels: npt.NDArray[np.int64]


@functools.lru_cache(maxsize=256)
def plan_scan(patients: int, slices: int, seed: int, patient: int) -> ScanPlan:
    """Return the vertebrae of a scan's slices, and where its fracture is, if it has one.

    Parameters
    ----------
    patients, slices, seed : int
        Of the phantom, with at least `MIN_SLICES` slices.
    patient : int
    """
    anatomy = Anatomy.sample(plan.patient_generator(seed, patient, RandomStream.ANATOMY), slices)
    rng = plan.patient_generator(seed, patient, RandomStream.SCAN)
    first, last = (VERTEBRAE.index(name) for name in _STARTS[anatomy.region])
    passed = np.floor(anatomy.first_height + np.arange(slices) * anatomy.height_step).astype(int)
    # A long scan of a small spine would pass its end: it then begins higher.
    start = max(0, min(int(rng.integers(first, last + 1)), len(VERTEBRAE) - 1 - int(passed[-1])))
    numbers = np.minimum(start + passed, len(VERTEBRAE) - 1)
    labels = np.zeros(slices, np.int64)
    if patient in _select_fractured(patients, seed):
        least, most = FRACTURE_SLICES
        cut, counts = np.unique(numbers, return_counts=True)
        rows = np.flatnonzero(numbers == rng.choice(cut[counts >= least]))
        length = int(rng.integers(least, min(most, len(rows)) + 1))
        begin = rows[0] + int(rng.integers(len(rows) - length + 1))
        labels[begin : begin + length] = 1
    labels.flags.writeable = False
    return ScanPlan(tuple(VERTEBRAE[number] for number in numbers), labels)


@functools.lru_cache(maxsize=4)
def _select_fractured(patients: int, seed: int) -> frozenset[int]:
    """Return the patients with a fracture, a fixed share of them."""
    order = plan.whole_set_generator(seed, RandomStream.SCAN).permutation(patients)
    count = min(max(round(_FRACTURED_PATIENTS * patients), 1), max(patients - 1, 1))
    return frozenset(order[:count].tolist())
