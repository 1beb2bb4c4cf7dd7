"""What pages may read: folders below the roots and nothing that a link or a path leads out to."""

from pathlib import Path

import pytest

from spinefrac.data import data_roots
from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.errors import DatasetError


@pytest.fixture
def roots(tmp_path) -> tuple[Path, ...]:
    """Two roots with data sets, and one that does not exist; what lies outside is a secret."""
    for name in ("one/spines/fracture", "one/spines/normal", "one/hospital/2024/train/yes"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "one/hospital/empty").mkdir()
    (tmp_path / "one/.hidden/fracture").mkdir(parents=True)
    (tmp_path / "two/fracture/P001").mkdir(parents=True)
    (tmp_path / "two/normal").mkdir()
    (tmp_path / "secret/fracture").mkdir(parents=True)
    (tmp_path / "one/leads-out").symlink_to(tmp_path / "secret")
    return tuple((tmp_path / name).resolve() for name in ("one", "two", "absent"))


def test_data_sets_are_found_and_their_insides_are_not(roots):
    found = [
        data_roots.display_path(folder, roots) for folder in data_roots.list_dataset_folders(roots)
    ]
    assert found == ["one/hospital/2024", "one/hospital/empty", "one/spines", "two"]


def test_what_is_shown_can_be_given_back(roots):
    for folder in data_roots.list_dataset_folders(roots):
        assert data_roots.resolve_folder(data_roots.display_path(folder, roots), roots) == folder
        assert data_roots.resolve_folder(str(folder), roots) == folder
    assert data_roots.resolve_folder("spines", roots) == roots[0] / "spines"
    assert data_roots.resolve_folder(" spines/../hospital ", roots) == roots[0] / "hospital"


def test_roots_of_the_same_name_stay_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "data/x/fracture").mkdir(parents=True)
    roots = tuple((tmp_path / name / "data").resolve() for name in ("a", "b"))
    folders = data_roots.list_dataset_folders(roots)
    assert folders == [root / "x" for root in roots]
    assert [
        data_roots.resolve_folder(data_roots.display_path(f, roots), roots) for f in folders
    ] == folders


@pytest.mark.parametrize(
    "text",
    [
        *("leads-out", "one/leads-out", "leads-out/fracture", "../secret", "spines/../../secret"),
        *("/", "~", "", " ", "\0", "x" * 5000, "absent", "/etc", "one/../secret"),
    ],
)
def test_nothing_outside_is_allowed(roots, tmp_path, text):
    for check in (data_roots.resolve_folder, data_roots.resolve_file):
        with pytest.raises(DatasetError, match="Expected a"):
            check(text, roots)
    with pytest.raises(DatasetError, match="within"):
        data_roots.resolve_folder(tmp_path / "secret", roots)


def test_files_are_held_to_the_same_roots(roots, tmp_path):
    (tmp_path / "secret/weights.h5").write_bytes(b"x")
    (roots[0] / "weights.h5").write_bytes(b"x")
    (roots[0] / "link.h5").symlink_to(tmp_path / "secret/weights.h5")
    assert data_roots.resolve_file("one/weights.h5", roots) == roots[0] / "weights.h5"
    for text in ("link.h5", str(tmp_path / "secret/weights.h5"), "spines"):
        with pytest.raises(DatasetError, match="Expected a file within"):
            data_roots.resolve_file(text, roots)


@pytest.mark.parametrize("name", ["labels.csv", "train.csv"])
def test_a_table_that_leads_out_is_not_quoted(tmp_path, name):
    secret = tmp_path / "passwd"
    secret.write_text("root:secret-word:0:0\n")
    folder = tmp_path / "data"
    (folder / "train_images").mkdir(parents=True)
    (folder / name).symlink_to(secret)
    with pytest.raises(DatasetError) as error:
        list_labelled_files(folder)
    assert "secret-word" not in str(error.value)


def test_a_link_is_no_folder_of_studies(tmp_path):
    (tmp_path / "elsewhere/1.2.3").mkdir(parents=True)
    (tmp_path / "elsewhere/1.2.3/1.dcm").write_bytes(b"x")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.csv").write_text("StudyInstanceUID,patient_overall\n1.2.3,1\n")
    (folder / "train_bounding_boxes.csv").write_text("StudyInstanceUID,slice_number\n1.2.3,1\n")
    (folder / "train_images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="No class folder"):
        list_labelled_files(folder)
