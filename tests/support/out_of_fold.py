"""Out-of-fold predictions as data sets of clinics give them, for tests that need no network.

Names as RSNA 2022 ships them (``<study>/<n>.dcm``, from 1, without leading zeros), few patients,
another number of slices in each, two scanners, a slice or two without neighbours that are wrong.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spinefrac.records import OutOfFoldPredictions

#: Slices of a patient, in turn: always more than 9, where the order by text is another one.
SLICE_COUNTS = (11, 14, 23, 12, 17)
#: Numbers of the slices with a fracture; as text, 9 is far from 10 and 11.
FRACTURED = (9, 10, 11)
#: Of a patient without a fracture, slices with a high probability: neighbours as text only.
SINGLE_FALSE_POSITIVES = (1, 10)

FOLDS = 2

#: Numbers of patients that a clinic begins with.
FEW_PATIENTS = (8, 12)


def rsna_name(patient: int, number: int) -> str:
    return f"train_images/1.2.826.0.1.3680043.{patient}/{number}.dcm"


def rsna_out_of_fold(
    patients: int = 12, *, name: Callable[[int, int], str] = rsna_name, seed: int = 0
) -> OutOfFoldPredictions:
    """Return predictions for patients of whom every other one has a fracture.

    Parameters
    ----------
    patients : int
    name : callable
        Path of a slice from patient and number, both from 1.
    seed : int
        Of the noise.
    """
    rng = np.random.default_rng(seed)
    rows = [
        (patient, number)
        for patient in range(1, patients + 1)
        for number in range(1, SLICE_COUNTS[patient % len(SLICE_COUNTS)] + 1)
    ]
    # Sorted by path as a data set is, so that rows are not in the order of the slices.
    rows.sort(key=lambda row: name(*row))
    labels = np.array([int(p % 2 and n in FRACTURED) for p, n in rows], dtype=np.int64)
    high = np.array([bool(p % 2 == 0 and n in SINGLE_FALSE_POSITIVES) for p, n in rows])
    probabilities = np.where((labels == 1) | high, 0.9, 0.1) + rng.uniform(-0.05, 0.05, len(rows))
    return OutOfFoldPredictions(
        paths=tuple(name(*row) for row in rows),
        groups=np.array([f"patient {p}" for p, _ in rows]),
        labels=labels,
        folds=np.array([(p // 2) % FOLDS for p, _ in rows], dtype=np.int64),
        logits=np.log(probabilities / (1 - probabilities)),
        probabilities=probabilities,
        subgroups={
            "scanner": tuple(("maker A", "maker B")[p % 3 == 0] for p, _ in rows),
            "size": tuple(("512×512", "768×768")[p % 4 == 1] for p, _ in rows),
        },
    )
