"""Soft tissue: no bone in it, air outside the body, and another one for each region."""

import numpy as np
import pytest

from spinefrac.data.phantom import plan, tissue
from spinefrac.data.phantom.anatomy import Anatomy, Region
from spinefrac.data.phantom.plan import RandomStream
from spinefrac.data.phantom.rendering import render


@pytest.mark.parametrize("region", list(Region))
def test_the_same_generator_gives_the_same_body(region):
    one, again, other = (
        tissue.SoftTissue.sample(np.random.default_rng(seed), region) for seed in (1, 1, 2)
    )
    assert one == again != other


def test_slices_of_every_region_show_skin_fat_muscle_and_air():
    seen: set[str] = set()
    for patient in range(12):
        image = render(patient, 0, patients=12, slices=1, seed=4, size=256, noise=False)
        seen.add(image.region)
        for low, high in ((-1100, -900), (-130, -60), (20, 90)):  # air, fat, muscle in HU
            share = float(((image.hu > low) & (image.hu < high)).mean())
            assert share > 0.01, (image.region, low)
    assert seen == {str(region) for region in Region}


def test_the_region_of_the_tissue_is_that_of_the_anatomy():
    anatomy = Anatomy.sample(plan.patient_generator(4, 2, RandomStream.ANATOMY), 1)
    assert render(2, 0, patients=12, slices=1, seed=4, size=256).region == str(anatomy.region)
