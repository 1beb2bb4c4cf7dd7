"""Atlas and dens: a ring around an island, with limbs that can break."""

import cv2
import numpy as np

from spinefrac.data.phantom.wide.atlas import build_atlas


def test_the_dens_lies_free_between_the_lateral_masses(anatomy, rng):
    bone = build_atlas(anatomy, 0.9, rng, 0.4)
    names = {site.name for site in bone.sites}
    assert {"arch anterior", "arch posterior 1", "arch posterior -1", "lateral mass 1"} <= names
    _, parts = cv2.connectedComponents(bone.mask)
    dens = set(np.unique(parts[bone.body > 0]))
    assert len(dens) == 1
    assert (parts == dens.pop()).sum() == bone.body.sum()


def test_low_slices_have_no_arch(anatomy, rng):
    low = build_atlas(anatomy, 0.0, rng, 0.4)
    assert not any(site.name.startswith("arch") for site in low.sites)
    assert low.body.any() and low.mask.sum() > 3 * low.body.sum()
