"""The skull: a closed ring with brain inside; the base has cells of air."""

import numpy as np

from spinefrac.data.phantom.wide.skull import build_skull


def test_vault_and_base(anatomy, rng):
    vault, head = build_skull(anatomy, 0.9, rng, 0.6)
    base, face = build_skull(anatomy, 0.1, rng, 0.6)
    assert base.mask.sum() > 1.2 * vault.mask.sum()
    assert not vault.body.any() and len(base.sites) > len(vault.sites) >= 8
    middle = head.shape[0] // 2, head.shape[1] // 2
    assert -50 < head[middle] < 80 and head[0, 0] == -1000
    inside = np.zeros_like(face, bool)
    inside[60:-60, 60:-60] = True
    assert (face[inside] < -900).sum() > (head[inside] < -900).sum()


def test_bone_is_bone(anatomy, rng):
    bone, _ = build_skull(anatomy, 0.3, rng, 0.6)
    assert np.median(bone.hu[bone.mask > 0]) > 250
