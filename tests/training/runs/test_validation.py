"""What cannot be trained is refused before a run is queued."""

import shutil
from dataclasses import replace

import pytest

from spinefrac.errors import DatasetError, TrainingError
from spinefrac.training import runs
from tests.support.runs import submit


def empty(folder):
    for path in folder.rglob("*.png"):
        path.unlink()


def one_class(folder):
    shutil.rmtree(folder / "normal")


def unreadable(folder):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, "does not exist"),
        (empty, "are empty"),
        (one_class, "normal"),
        (unreadable, "read"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(folder, quick, spoil, said):
    spoil(folder)
    with pytest.raises(DatasetError, match=said):
        submit(folder, quick)
    assert runs.list_runs() == ()


def test_folders_outside_the_roots_are_refused_links_included(folder, quick, tmp_path):
    roots = (tmp_path / "open",)
    roots[0].mkdir()
    (roots[0] / "link").symlink_to(folder)
    for path in (folder, roots[0] / "link", roots[0] / ".." / "slices"):
        with pytest.raises(DatasetError, match="inside the data roots"):
            submit(path, quick, roots=roots)
    inside = shutil.copytree(folder, roots[0] / "slices")
    assert submit(inside, quick, roots=roots).state == "queued"


def test_more_folds_than_patients_are_refused(folder, quick):
    with pytest.raises(DatasetError, match="Use 12 folds"):
        submit(folder, replace(quick, folds=13))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": "imagenet"}, "has no weights named 'imagenet'"),
        ({"weights": "no-such.weights.h5"}, r"no weights file no-such\.weights\.h5"),
    ],
)
def test_weights_that_are_not_there_are_refused(folder, quick, changes, said):
    with pytest.raises(TrainingError, match=said):
        submit(folder, replace(quick, **changes))
