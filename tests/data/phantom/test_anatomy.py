"""Anatomy of a phantom: independent of the label."""

import numpy as np

from spinefrac.data.phantom import plan
from spinefrac.data.phantom.anatomy import Anatomy, level_at


def test_neither_level_nor_region_depends_on_the_label():
    table = plan.sample_labels(500, 12, 4)
    seen: dict[str, list[int]] = {}
    for patient, row in enumerate(table):
        anatomy = Anatomy.sample(plan.patient_generator(4, patient, plan.RandomStream.ANATOMY), 12)
        for slice_, label in enumerate(row):
            for value in (anatomy.region, level_at(anatomy.relative_height(slice_))):
                seen.setdefault(str(value), [0, 0])[label] += 1
    of_all = np.bincount(table.ravel())
    assert len(seen) == 7
    for value, counts in seen.items():
        rates = counts / of_all
        assert abs(rates[0] - rates[1]) < 0.07, value
