"""Scans of the phantom: one fracture, within one vertebra, on neighbours; and its tables."""

import numpy as np
import pytest

from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.data.phantom.rendering import render
from spinefrac.data.phantom.scan_plan import VERTEBRAE, plan_scan
from spinefrac.data.phantom.series import Series
from spinefrac.data.phantom.write import write_phantom
from spinefrac.data.scan import examine, scan
from spinefrac.errors import DatasetError


@pytest.mark.parametrize("slices", [12, 24, 120])
def test_a_fracture_is_one_run_of_3_to_12_slices_within_a_vertebra(slices):
    fractured = 0
    for patient in range(40):
        plan = plan_scan(40, slices, 3, patient)
        numbers = np.array([VERTEBRAE.index(name) for name in plan.vertebrae])
        assert len(numbers) == len(plan.labels) == slices
        assert set(np.diff(numbers)) <= {0, 1}
        shown = np.flatnonzero(plan.labels)
        if len(shown):
            fractured += 1
            assert 3 <= len(shown) <= 12 and len(shown) == shown[-1] - shown[0] + 1
            assert len(set(numbers[shown])) == 1
    assert fractured == 20


def test_a_fracture_runs_on_from_slice_to_slice():
    series = {"patients": 20, "slices": 24, "seed": 5, "size": 256}
    shared = []
    for scans in (True, False):
        overlaps = []
        for patient in range(20):
            shown = np.flatnonzero(plan_scan(20, 24, 5, patient).labels)
            if len(shown) and len(overlaps) < 4:
                first, second = (
                    render(patient, int(index), scans=scans, fractured=True, **series).mask > 0
                    for index in shown[1:3]
                )
                overlaps.append((first & second).sum() / min(first.sum(), second.sum()))
        shared.append(np.median(overlaps))
    assert shared[0] > 0.5 > shared[1]


def test_scans_have_enough_slices_and_one_variety():
    with pytest.raises(DatasetError, match="at least 12 slices, not 8"):
        Series(2, 8, 1, scans=True)
    with pytest.raises(DatasetError, match="variety narrow, not wide"):
        Series(2, 12, 1, variety="wide", scans=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("phantom") / "scans"
    write_phantom(out, patients=2, slices=12, seed=4, size=256, scans=True, workers=1)
    return out


def test_the_folder_is_a_data_set_of_scans(written):
    dataset = examine(written).dataset
    assert dataset.is_of_scans and len(dataset.items) == 24
    assert set(dataset.groups) == {"P000", "P001"} == {item.scan for item in dataset.items}
    assert all(item.bag == item.scan for item in dataset.items)
    assert len({item.scan for item in dataset.items if item.label}) == 1
    assert [item.position for item in dataset.items if item.scan == "P000"] == list(range(1, 13))


def test_what_works_on_labelled_slices_refuses_scans(written):
    with pytest.raises(DatasetError, match="Expected labels of slices, got labels of scans"):
        scan(written)


def test_a_phantom_of_slices_is_no_data_set_of_scans(tmp_path):
    write_phantom(tmp_path / "out", patients=2, slices=2, seed=4, size=256, workers=1)
    assert not list((tmp_path / "out").glob("labels*"))
    assert not any(file.study for file in list_labelled_files(tmp_path / "out").files)
