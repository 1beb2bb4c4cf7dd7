"""Screws are denser than any bone and lie where they are said to."""

import numpy as np

from spinefrac.data.phantom.wide.metal import add_metal, sample_screws


def test_metal_replaces_bone(bone, rng):
    metal = sample_screws(bone.canvas, rng)
    highest = bone.hu[bone.mask > 0].max()
    add_metal(bone, metal)
    assert metal.any() and bone.hu[metal > 0].min() > highest
    assert (bone.mask[metal > 0] == 1).all()


def test_on_one_side_or_on_both(bone):
    sides = set()
    for seed in range(12):
        metal = sample_screws(bone.canvas, np.random.default_rng(seed))
        half = int(bone.canvas.matrix[0, 2])
        sides.add((bool(metal[:, :half].any()), bool(metal[:, half:].any())))
    assert (True, True) in sides and len(sides) > 1
