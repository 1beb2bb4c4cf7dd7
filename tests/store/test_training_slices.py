"""The files of the nearest training slices: found by label and probability, or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.records import NearestSlice
from spinefrac.store import repository
from spinefrac.store.training_slices import find_training_slices


@pytest.fixture(scope="module")
def demo():
    return repository.load("phantom-demo")


def nearest_of(fact: np.ndarray) -> NearestSlice:
    return NearestSlice(int(fact[0]), int(fact[1]), round(float(fact[2]), 4), 0.5)


def test_every_slice_of_the_reference_has_its_own_file(demo) -> None:
    facts, oof = demo.load_input_reference().facts, demo.load_out_of_fold()
    nearest = [nearest_of(fact) for fact in facts[:40]]
    for one, found in zip(nearest, find_training_slices(demo, nearest), strict=True):
        if found is not None:  # two slices of a patient may agree in four digits
            row = oof.paths.index(found.path)
            assert found.pixel_hash == oof.pixel_hashes[row]
            assert oof.labels[row] == one.label
            assert oof.probabilities[row] == pytest.approx(one.probability, abs=1e-4)
    assert sum(found is not None for found in find_training_slices(demo, nearest)) > 30


def test_what_no_slice_or_more_than_one_has_is_not_found(demo) -> None:
    reference = demo.load_input_reference()
    known = nearest_of(reference.facts[0])
    others = [
        replace(known, label=1 - known.label),
        replace(known, patient=known.patient + 1000),
        replace(known, probability=known.probability + 0.0001),
    ]
    assert find_training_slices(demo, others) == [None] * 3
