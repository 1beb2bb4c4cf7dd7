"""Import of RSNA 2022: boxes label slices, studies without a fracture are normal."""

import shutil
from pathlib import Path

import pytest

from spinefrac.data.boxes import read_boxes
from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.data.importers import import_dataset
from spinefrac.data.importers.plan import ImportSelection, sample_evenly
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError
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


def test_junk_and_empty_slices_cost_themselves_only(rsna, tmp_path):
    source = tmp_path / "in"
    shutil.copytree(rsna, source)
    whole = import_dataset("rsna", source, tmp_path / "whole").slices
    file = tmp_path / "whole" / list_labelled_files(tmp_path / "whole").files[0].path
    study = file.parent.name
    (source / "train_images" / study / file.name).write_bytes(b"")
    (source / "train_images" / study / "Thumbs.db").write_bytes(b"x")
    (source / "train_images" / study / "@eaDir").mkdir()
    result = import_dataset("rsna", source, tmp_path / "out")
    assert result.slices == whole - 1
    empty = f"of 0 bytes ({study}/{file.name})"
    assert result.left_out[empty] == 1
    assert not any("slice number" in reason for reason in result.left_out)


def test_a_study_whose_folder_cannot_be_read_costs_itself_only(rsna, tmp_path, monkeypatch):
    whole = import_dataset("rsna", rsna, tmp_path / "whole")
    closed = sorted((rsna / "train_images").iterdir())[0]
    list_folder = Path.iterdir

    def refuse(folder):
        if folder.name == closed.name:
            raise PermissionError(13, "Permission denied", str(folder))
        return list_folder(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    result = import_dataset("rsna", rsna, tmp_path / "out")
    assert 0 < result.slices < whole.slices
    reason = f"or more of {closed.name}, whose folder cannot be read (Permission denied)"
    assert result.left_out[reason] == 1


def test_images_inside_a_folder_of_the_same_name(rsna, tmp_path):
    source = tmp_path / "in"
    shutil.copytree(rsna, source / "train_images")
    for table in ("train.csv", "train_bounding_boxes.csv"):
        shutil.copy(rsna / table, source)
    result = import_dataset("rsna", source, tmp_path / "out")
    assert result.slices == import_dataset("rsna", rsna, tmp_path / "same").slices


def test_other_studies_than_in_the_table_are_named(rsna, tmp_path):
    source = tmp_path / "in"
    (source / "train_images/else").mkdir(parents=True)
    for table in ("train.csv", "train_bounding_boxes.csv"):
        shutil.copy(rsna / table, source)
    with pytest.raises(DatasetError, match="found 1 folders and none of them has one"):
        import_dataset("rsna", source, tmp_path / "out")


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
