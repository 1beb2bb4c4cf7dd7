"""Phantoms of several kinds as one data set, with patients apart."""

from spinefrac.data.phantom import mixture
from spinefrac.data.phantom.mixture import Part, write_mixture
from spinefrac.data.scan import scan


def test_patients_of_the_parts_stay_apart(tmp_path):
    parts = (Part("one", 2, seed=5), Part("other", 2, seed=6, variety="wide"))
    assert write_mixture(tmp_path, parts, slices=2) == 8
    dataset = scan(tmp_path)
    assert len(dataset.items) == 8 and len(set(dataset.groups)) == 4
    assert "patient" in dataset.group_rule
    for item in dataset.items:
        assert item.label == ("fracture" in item.path)


def test_it_has_seeds_of_its_own():
    """Not those that the benchmarks, the tests or the weights of the package use."""
    seeds = {part.seed for part in mixture.STANDARD}
    assert len(seeds) == len(mixture.STANDARD) and min(seeds) > 9_160_000
