"""What resembles a fracture changes the bone, and never removes much of it."""

import numpy as np

from spinefrac.data.phantom.wide.confounders import add_confounders


def test_growing_bone_has_the_same_gap_on_both_sides(bone, rng):
    before = bone.hu.copy()
    mask = bone.mask.copy()
    add_confounders(bone, growing=True, rng=rng)
    darker = (before - bone.hu > 100) & (mask > 0)
    half = bone.mask.shape[1] // 2
    assert darker[:, :half].any() and darker[:, half:].any()


def test_bone_stays_and_little_is_added(bone, rng):
    before = bone.mask.copy()
    for _ in range(6):
        add_confounders(bone, growing=False, rng=rng)
    assert not (before & (1 - bone.mask)).any()
    assert bone.mask.sum() < 1.3 * before.sum()
    assert np.isfinite(bone.hu).all()
