"""Import of RSNA 2022: boxes label slices, studies without a fracture are normal."""

from pathlib import Path

import pytest

from spinefrac.data.boxes import read_boxes
from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.data.importers import import_dataset
from spinefrac.data.importers.plan import ImportSelection, sample_evenly
from spinefrac.data.scan import scan
from tests.support.rsna import write_rsna_download


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def rsna(tmp_path_factory) -> Path:
    """Six phantom patients as the download of RSNA 2022."""
    return write_rsna_download(tmp_path_factory.mktemp("rsna"))


def test_rsna_takes_boxed_slices_and_whole_studies(rsna, tmp_path):
    result = import_dataset("rsna", rsna, tmp_path / "out")
    direct = list_labelled_files(rsna).files
    taken = list_labelled_files(tmp_path / "out").files
    assert result.slices == len(taken) == len(direct)
    assert {f.path.split("/", 1)[1]: f.label for f in taken} == {
        f.path.split("/", 1)[1]: f.label for f in direct
    }
    outside = 36 - len(direct)
    assert outside > 0 and list(result.left_out.values()) == [outside]
    boxes = read_boxes(tmp_path / "out")
    assert boxes.keys() == {file.path for file in taken if file.label}
    dataset = scan(tmp_path / "out")
    assert dataset.group_rule.startswith("by the column patient")
    assert len(set(dataset.groups)) == result.groups


def test_rsna_outside_slices_count_as_normal_only_when_asked(rsna, tmp_path):
    result = import_dataset("rsna", rsna, tmp_path / "out", selection=ImportSelection(outside=True))
    assert result.slices == 36 and not result.left_out


def test_a_sample_is_drawn_by_seed_and_spread_over_a_study(rsna, tmp_path):
    choice = ImportSelection(studies=2, per_study=2, seed=4)
    first = import_dataset("rsna", rsna, tmp_path / "a", selection=choice)
    again = import_dataset("rsna", rsna, tmp_path / "b", selection=choice)
    assert first.groups == 2 and first.slices <= 2 * 4
    assert first.fracture and first.normal
    assert {**first.to_dict(), "folder": ""} == {**again.to_dict(), "folder": ""}
    assert list(sample_evenly(range(10), 2)) == [2, 7]
