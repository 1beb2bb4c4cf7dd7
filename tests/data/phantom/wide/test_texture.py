"""Texture fills the inside of the bone and spares its surroundings."""

import numpy as np

from spinefrac.data.phantom.wide.texture import BoneTexture, add_texture

PLAIN = BoneTexture(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_each_kind_changes_the_inside_only(bone, rng):
    outside = bone.mask == 0
    before = bone.hu.copy()
    add_texture(bone, PLAIN, rng)
    assert np.array_equal(bone.hu, before)
    for kind in (
        BoneTexture(150, 0.8, 0, 0, 0, 0, 0),
        BoneTexture(0, 1, 80, 0.5, 0, 0, 0),
        BoneTexture(0, 1, 0, 0, 60, 0, 0),
        BoneTexture(0, 1, 0, 0, 0, 6, 0),
        BoneTexture(0, 1, 0, 0, 0, 0, 6),
    ):
        before = bone.hu.copy()
        add_texture(bone, kind, rng)
        assert np.abs(bone.hu - before)[bone.mask > 0].max() > 50, kind
        assert np.array_equal(bone.hu[outside], before[outside]), kind


def test_strands_have_a_direction(bone, rng):
    before = bone.hu.copy()
    add_texture(bone, BoneTexture(0, 1, 80, 0.0, 0, 0, 0), rng)
    pattern = (bone.hu - before) * bone.body
    across, along = np.abs(np.diff(pattern, axis=0)).mean(), np.abs(np.diff(pattern, axis=1)).mean()
    assert across > 1.5 * along or along > 1.5 * across


def test_some_patients_have_fine_bone_and_others_strands():
    rng = np.random.default_rng(0)
    drawn = [BoneTexture.sample(rng) for _ in range(60)]
    assert any(t.strands for t in drawn) and not all(t.strands for t in drawn)
    assert any(t.holes for t in drawn) and not all(t.dots for t in drawn)
