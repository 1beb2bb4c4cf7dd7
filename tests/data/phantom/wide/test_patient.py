"""Patients of the wide variety differ more than adults of the narrow one."""

import numpy as np

from spinefrac.data.phantom.plan import get_difficulty
from spinefrac.data.phantom.wide.patient import Part, WidePatient


def test_children_the_old_and_the_operated_are_among_them():
    rng = np.random.default_rng(0)
    people = [WidePatient.sample(rng, 6, get_difficulty("hard"), 512) for _ in range(150)]
    density = np.array([p.anatomy.trabecular for p in people])
    assert density.min() < 90 and density.max() > 320
    assert {p.part for p in people} == set(Part)
    assert 0 < sum(p.growing for p in people) < 60 and any(p.operated for p in people)
    assert not any(p.operated for p in people if p.part is not Part.VERTEBRA)
    assert all(p.anatomy.region == "cervical" for p in people if p.part is not Part.VERTEBRA)


def test_a_seed_gives_one_patient():
    one, other = (
        WidePatient.sample(np.random.default_rng(5), 6, get_difficulty("easy"), 256)
        for _ in range(2)
    )
    assert one == other
