"""Oblique slices join two heights without an edge; bent bone keeps its sites."""

from dataclasses import replace

import numpy as np

from spinefrac.data.phantom.anatomy import build_bone
from spinefrac.data.phantom.wide.vertebra import build_tilted_bone, deform


def test_without_tilt_it_is_the_plain_bone(anatomy):
    one = build_tilted_bone(anatomy, 0.3, 0.0, 0.0, np.random.default_rng(1), 0, 0.5)
    plain = replace(anatomy, first_height=0.3, height_step=0.0)
    other = build_bone(plain, 0, np.random.default_rng(1), 0, 0.5)
    assert np.array_equal(one.mask, other.mask)


def test_a_tilted_slice_differs_from_side_to_side(anatomy, rng):
    # From the pedicles on one side to the joints on the other.
    bone = build_tilted_bone(anatomy, 0.5, 0.35, 0.0, rng, 0, 0.5)
    flipped = bone.mask[:, ::-1]
    straight = build_tilted_bone(anatomy, 0.3, 0.0, 0.0, rng, 0, 0.5).mask
    assert (bone.mask != flipped).mean() > 1.3 * (straight != straight[:, ::-1]).mean()
    assert bone.sites and not (bone.body & (1 - bone.mask)).any()


def test_bending_moves_bone_and_sites_together(bone, rng):
    bent = deform(bone, 1.5, rng)
    assert (bent.mask != bone.mask).any()
    assert 0.85 < bent.mask.sum() / bone.mask.sum() < 1.15
    for site in bent.sites:
        column, row = np.round(bent.canvas.to_pixels(site.path.mean(0)[None]))[0].astype(int)
        near = bent.mask[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5]
        assert near.any(), site.name


def test_no_bend_changes_nothing(bone, rng):
    same = deform(bone, 0.0, rng)
    assert np.array_equal(same.mask, bone.mask) and np.allclose(same.hu, bone.hu)
