"""Evenly spaced samples, which an importer takes of a study."""

import pytest

from spinefrac.data.importers.plan import sample_evenly


@pytest.mark.parametrize(
    ("count", "most", "chosen"),
    [(10, 2, [2, 7]), (10, 1, [5]), (3, 5, [0, 1, 2]), (3, None, [0, 1, 2]), (0, 2, [])],
)
def test_samples(count, most, chosen):
    assert list(sample_evenly(range(count), most)) == chosen
