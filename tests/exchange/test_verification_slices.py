"""The synthetic slices on which networks are compared are the same everywhere."""

import hashlib

import numpy as np

from spinefrac.exchange import verification_slices
from spinefrac.records import Preprocessing


def test_the_slices_are_sixteen_8_bit_images():
    slices = verification_slices.render_slices()
    assert len(slices) == 16
    for ct in slices:
        assert ct.pixels.shape == (256, 256) and not ct.calibrated
        assert ct.pixels.min() >= 0 and 100 < ct.pixels.max() <= 255
        np.testing.assert_array_equal(ct.pixels, np.rint(ct.pixels))
    hashes = {hashlib.sha256(ct.pixels.tobytes()).hexdigest() for ct in slices}
    assert len(hashes) == 16, "no two are alike"


def test_inputs_have_the_size_of_the_model():
    inputs = verification_slices.render_inputs(Preprocessing(size=48, bone_crop=False))
    assert inputs.shape == (16, 48, 48) and inputs.dtype == np.uint8


def test_labelled_inputs_have_both_classes_and_their_patients():
    inputs, labels, patients = verification_slices.render_labelled_inputs(
        Preprocessing(size=32), patients=6, per_patient=2, seed=41
    )
    assert inputs.shape == (12, 32, 32)
    assert set(labels.tolist()) == {0, 1}
    assert patients.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    again, *_ = verification_slices.render_labelled_inputs(
        Preprocessing(size=32), patients=6, per_patient=2, seed=41
    )
    np.testing.assert_array_equal(inputs, again)
