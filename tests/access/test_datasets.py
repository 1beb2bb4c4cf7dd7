"""Uploaded data sets: whose they are, who sees them, and that no name leads out of one."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spinefrac.access import datasets
from spinefrac.access.policy import LOCAL, Identity, Role
from spinefrac.errors import AccessError, DatasetError
from spinefrac.imaging.collect import file_from_bytes

KIM, LEE = Identity("kim", Role.TRAINER), Identity("lee", Role.TRAINER)
ADMIN, VIEWER = Identity("ada", Role.ADMIN), Identity("vic", Role.VIEWER)


def png(value: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(out, "PNG")
    return out.getvalue()


def make_zip(names: list[str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, png(number))
    return out.getvalue()


NAMES = ["set/fracture/a.png", "set/normal/b.png", "set/normal/c.png"]


def add(identity: Identity, name: str = "spines", names: list[str] = NAMES) -> datasets.Dataset:
    files = [file_from_bytes("set.zip", make_zip(names))]
    return datasets.add(identity, name, files).dataset


def list_files(dataset: datasets.Dataset) -> list[str]:
    folder = dataset.folder
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_a_zip_becomes_a_private_data_set_without_its_outer_folder(home: Path) -> None:
    made = add(KIM)
    assert (made.owner, made.shared, made.files) == ("kim", False, 3)
    assert list_files(made) == ["fracture/a.png", "normal/b.png", "normal/c.png"]
    assert made.bytes == sum((made.folder / name).stat().st_size for name in list_files(made))


def test_single_files_are_taken_with_their_folders(home: Path) -> None:
    files = [file_from_bytes(name, png(1)) for name in NAMES]
    assert list_files(datasets.add(KIM, "folder", files).dataset)[0] == "fracture/a.png"


def test_others_neither_see_nor_change_a_private_data_set(home: Path) -> None:
    made = add(KIM)
    assert datasets.list_datasets(KIM) == [made] == datasets.list_datasets(ADMIN)
    assert datasets.list_datasets(LEE) == datasets.list_datasets(VIEWER) == []
    for act in (datasets.get, datasets.delete, datasets.change):
        with pytest.raises(DatasetError, match="one of your data sets"):
            act(LEE, made.id)


def test_a_shared_one_is_used_by_trainers_and_changed_by_its_owner_only(home: Path) -> None:
    made = datasets.change(KIM, add(KIM).id, shared=True, name="for all")
    assert made.name == "for all"
    assert datasets.get(LEE, made.id) == made
    assert datasets.list_datasets(VIEWER) == []
    for act in (datasets.delete, lambda who, which: datasets.change(who, which, shared=False)):
        with pytest.raises(AccessError, match="of your own only"):
            act(LEE, made.id)
    datasets.delete(ADMIN, made.id)
    assert datasets.list_datasets(KIM) == [] and list(datasets.uploads_dir().iterdir()) == []


def test_a_viewer_uploads_none(home: Path) -> None:
    with pytest.raises(AccessError, match="ask a trainer"):
        add(VIEWER)
    assert not datasets.uploads_dir().exists()


@pytest.mark.parametrize(
    "name",
    ["../../fracture/x.png", "/etc/fracture/x.png", "..\\..\\fracture\\x.png", "C:/fracture/x.png"],
)
def test_no_name_leads_out_of_the_folder(home: Path, name: str) -> None:
    before = set(home.parent.rglob("*"))
    files = [file_from_bytes(name, png(0)), file_from_bytes("normal/y.png", png(1))]
    try:
        made = datasets.add(KIM, "x", files).dataset
    except DatasetError:  # its folders are no class folders then
        made = None
    written = {path for path in home.parent.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(datasets.uploads_dir()) for path in written)
    assert made is None or made.files == 2


def test_two_files_of_one_name_are_both_kept(home: Path) -> None:
    names = ["a<b/fracture/x.png", "a>b/fracture/x.png", "a<b/normal/y.png"]
    assert list_files(add(KIM, names=names)) == [
        "fracture/x-2.png", "fracture/x.png", "normal/y.png",
    ]  # fmt: skip


def test_long_names_keep_their_class(home: Path) -> None:
    uid = "1.2.826.0.1.3680043.8.498." + "1" * 38
    names = [f"set/fracture/{uid}/{uid}/a.png", f"set/normal/{uid}/{uid}/b.png"]
    assert add(KIM, names=names).files == 2


def test_without_class_folders_nothing_is_left(home: Path) -> None:
    with pytest.raises(DatasetError):
        add(KIM, names=["a.png", "b.png"])
    assert list(datasets.uploads_dir().iterdir()) == []


@pytest.mark.parametrize("name", ["", " \n ", "x" * 61])
def test_a_name_is_needed(home: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="a name of 1 to 60"):
        add(KIM, name)


def test_there_is_an_end_to_what_one_person_holds(home: Path, monkeypatch) -> None:
    monkeypatch.setattr(datasets, "MAX_OWNED_BYTES", add(KIM).bytes + 10)
    with pytest.raises(DatasetError, match="delete one first"):
        add(KIM)
    add(LEE)


def test_a_full_disk_is_said(home: Path, monkeypatch) -> None:
    monkeypatch.setattr(datasets, "MIN_FREE_BYTES", 1 << 60)
    with pytest.raises(DatasetError, match="too little room"):
        add(KIM)


def test_a_damaged_record_is_nobodys(home: Path) -> None:
    made = add(KIM)
    (datasets.uploads_dir() / made.id / "dataset.json").write_text('{"owner": "lee"}')
    assert datasets.list_datasets(ADMIN) == []


def test_folders_of_others_are_refused_however_they_are_named(home: Path) -> None:
    own, others = add(KIM), add(LEE)
    assert own.folder in datasets.list_roots(KIM)
    assert others.folder not in datasets.list_roots(KIM)
    assert datasets.require_folder(KIM, own.folder) == own.folder
    uploads = datasets.uploads_dir()
    for folder in (others.folder, others.folder / "fracture", uploads, uploads.parent):
        with pytest.raises(DatasetError, match="of your own or of the server"):
            datasets.require_folder(KIM, folder)
    on_server = home / "data" / "slices"
    assert datasets.require_folder(KIM, on_server) == on_server
    assert datasets.find_by_folder(own.folder) == own
    assert datasets.find_by_folder(on_server) is None


def test_a_viewer_reads_no_folder_of_the_server(home: Path) -> None:
    assert datasets.list_roots(VIEWER) == ()
    assert home / "data" in datasets.list_roots(LOCAL)


def test_the_machine_itself_owns_without_a_name(home: Path) -> None:
    assert add(LOCAL).owner == "" and datasets.list_datasets(KIM) == []


def test_dicom_is_deidentified_on_arrival(home: Path) -> None:

    sample = Path(__file__).resolve().parents[2] / "spinefrac" / "ui" / "samples"
    files = [
        file_from_bytes("Doe^Jane/fracture/Doe.dcm", (sample / "fracture-1.dcm").read_bytes()),
        file_from_bytes("Doe^Jane/normal/Doe.dcm", (sample / "normal-2.dcm").read_bytes()),
        file_from_bytes("Doe^Jane/normal/Doe.png", png(1)),
    ]
    result = datasets.add(KIM, "anonymous", files, deidentify=True)
    assert result.dataset.deidentified and result.dataset.files == 2
    assert "Doe" not in "".join(list_files(result.dataset))
    assert len(result.left_out) == 1
    assert not (result.dataset.folder.parent / "raw").exists()
