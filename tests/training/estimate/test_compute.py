"""A first estimate: grouped, with intervals, of as many whole groups as it may score."""

import numpy as np
import pytest

from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError
from spinefrac.training.estimate import compute
from spinefrac.training.estimate.compute import Estimate, estimate_folder
from spinefrac.training.settings import TrainingSettings

SETTINGS = TrainingSettings(folds=3).with_values({"size": 32, "bone_crop": False})


def test_both_networks_are_scored_by_group_and_the_better_one_is_proposed(folder):
    seen = []
    found = estimate_folder(folder, SETTINGS, lambda *position: seen.append(position))
    assert (found.images, found.scored, found.groups, found.folds) == (48, 48, 12, 3)
    assert {one.network for one in found.networks} == {"compact_lite0", "lite0"}
    aucs = [one.auc for one in found.networks]
    assert aucs == sorted(aucs, reverse=True) and found.proposed == found.networks[0].network
    assert all(0 <= one.low <= one.auc <= one.high <= 1 for one in found.networks)
    assert seen == sorted(seen) and seen[-1] == (3000, 3000)
    assert Estimate.from_dict(found.to_dict()) == found
    said = found.describe()
    assert "48 of 48 slices (12 groups) in 3 folds" in said[-1]
    assert said[0].startswith(f"{found.proposed}: out-of-fold AUC {aucs[0]:.3f} (95 % CI")


def test_of_many_slices_whole_groups_are_scored(folder, monkeypatch):
    dataset = scan(folder)
    assert len(compute.choose_rows(dataset, 0)) == 48
    monkeypatch.setattr(compute, "MAX_SLICES", 21)
    rows = compute.choose_rows(dataset, 0)
    names, counts = np.unique(dataset.groups[rows], return_counts=True)
    assert len(names) == 5 and (counts == 4).all()
    assert not np.array_equal(rows, compute.choose_rows(dataset, 1))


def test_a_folder_of_one_class_is_refused(folder):
    for path in (folder / "normal").iterdir():
        path.unlink()
    with pytest.raises(DatasetError):
        estimate_folder(folder, SETTINGS)
