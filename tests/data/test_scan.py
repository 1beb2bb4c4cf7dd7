"""Whole folders: real files and small pictures, through scan and load_inputs."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from spinefrac import imaging, settings
from spinefrac.data import input_cache, phantom
from spinefrac.data.scan import compute_fingerprint, examine, load_inputs, scan
from spinefrac.data.splits import assign_folds
from spinefrac.errors import ChangedDataError, DatasetError
from spinefrac.records import Preprocessing
from tests.support import dying_decoder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """Keep the cache of every test to itself."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def picture(seed: int, side: int = 96) -> np.ndarray:
    """A smooth random picture, unlike that of any other seed. Shape (side, side), uint8."""
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 12), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def write(root: Path, **seeds: int) -> Path:
    """Write one PNG a keyword: ``fracture__P1_1=3`` is ``fracture/P1_1.png`` of seed 3."""
    for name, seed in seeds.items():
        path = root / (name.replace("__", "/") + ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), picture(seed))
    return root


@pytest.fixture
def small(tmp_path) -> Path:
    """Four patients, two slices each, one of either class."""
    names = {
        f"{name}__P{p}_{n}": 2 * p + n
        for p in range(4)
        for n, name in enumerate(("fracture", "no"))
    }
    return write(tmp_path / "small", **names)


def test_a_small_folder(small):
    calls = []
    dataset = scan(small, progress=lambda done, total: calls.append((done, total)))
    assert dataset.root == small
    assert list(dataset.paths) == sorted(dataset.paths) and len(dataset.items) == 8
    assert dataset.labels.tolist() == [1] * 4 + [0] * 4
    assert dataset.groups.tolist() == ["P0", "P1", "P2", "P3"] * 2
    assert dataset.group_rule.startswith("by the patient in the file name")
    assert dataset.unreadable == () and dataset.notes == ()
    assert calls == [(n, 8) for n in range(1, 9)]
    assert all(len(item.pixel_hash) == 64 for item in dataset.items)


def test_the_fingerprint_is_of_pixels_labels_groups_and_paths(small, tmp_path):
    dataset = scan(small)
    assert dataset.fingerprint == scan(small).fingerprint
    elsewhere = shutil.copytree(small, tmp_path / "elsewhere")
    assert dataset.fingerprint == scan(elsewhere).fingerprint
    items = dataset.items
    assert compute_fingerprint(items[::-1]) == dataset.fingerprint
    for change in ({"label": 0}, {"group": "x"}, {"path": "x"}, {"pixel_hash": "x"}):
        assert compute_fingerprint((replace(items[0], **change), *items[1:])) != dataset.fingerprint


def test_unreadable_files_are_listed_and_left_out(small):
    (small / "fracture/P9_1.png").write_bytes(b"no picture at all")
    (small / "no/P9_2.png").write_bytes((small / "no/P0_1.png").read_bytes()[:60])
    (small / "no/P9_3.png").touch()
    dataset = scan(small)
    assert len(dataset.items) == 8
    assert [u.path for u in dataset.unreadable] == [
        "fracture/P9_1.png",
        "no/P9_2.png",
        "no/P9_3.png",
    ]
    assert all(u.reason and "\n" not in u.reason for u in dataset.unreadable)


def test_files_that_the_table_lists_and_the_folder_lacks_are_unreadable(small):
    rows = [
        f"{path.relative_to(small).as_posix()},{path.parent.name}" for path in small.rglob("*.png")
    ]
    (small / "labels.csv").write_text("\n".join(["path,label", *rows, "no/gone.png,no"]))
    dataset = scan(small)
    assert len(dataset.items) == 8
    assert [entry.path for entry in dataset.unreadable] == ["no/gone.png"]
    assert "labels.csv line 10" in dataset.unreadable[0].reason


@pytest.mark.skipif(os.name == "nt", reason="file names are UTF-16 on Windows")
def test_a_name_that_is_no_text_is_listed(small):
    with open(os.fsencode(small) + b"/no/\xff.png", "wb") as stream:  # noqa: PTH123
        stream.write((small / "no/P0_1.png").read_bytes())
    dataset = scan(small)
    assert len(dataset.items) == 8 and "not UTF-8" in dataset.unreadable[0].reason
    dataset.unreadable[0].path.encode()


def test_too_few_readable_files_are_an_error(small):
    for n in range(4):
        (small / f"fracture/P{n}_0.png").write_bytes(b"?")
    with pytest.raises(DatasetError, match=r"no slice of the class fracture can be read; .*P0_0"):
        scan(small)
    write(small, fracture__P0_0=1)
    for n in range(4):
        (small / f"no/Q{n}.png").write_bytes(b"?")
    with pytest.raises(DatasetError, match="Of 12 files, fewer than half can be read"):
        scan(small)


def test_copies_in_other_groups_merge_them_and_contradictions_are_noted(small):
    source = cv2.imread(str(small / "fracture/P1_0.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(small / "fracture/P7_9.jpg"), cv2.resize(source, (224, 224)))
    shutil.copy(small / "fracture/P2_0.png", small / "no/P3_8.png")
    examined = examine(small)
    dataset = examined.dataset
    group = dict(zip(dataset.paths, dataset.groups.tolist(), strict=True))
    assert group["fracture/P1_0.png"] == group["fracture/P7_9.jpg"] == "P1+1"
    assert group["fracture/P2_0.png"] == group["no/P3_8.png"] == "P2+1"
    assert group["fracture/P0_0.png"] == "P0"
    assert len(examined.duplicates.exact) == len(examined.duplicates.near) == 1
    assert dataset.group_rule.endswith("5 groups became 3, because some share the same slices")
    assert "5 groups became 3" in dataset.notes[0]
    assert "1 slices have duplicates with another label" in dataset.notes[1]


# --- inputs --------------------------------------------------------------------------------


def test_inputs_are_those_of_imaging_in_order_and_cached(small):
    dataset, wanted = scan(small), Preprocessing(size=64)
    calls = []
    first = load_inputs(dataset, wanted, lambda done, total: calls.append((done, total)))
    assert first.shape == (8, 64, 64) and first.dtype == np.uint8
    assert calls == [(n, 8) for n in range(1, 9)]
    for row, path in enumerate(dataset.paths):
        assert np.array_equal(
            first[row], imaging.to_input(imaging.read(small / path), wanted).pixels
        )
    shutil.rmtree(small)  # the second time nothing is decoded
    assert np.array_equal(load_inputs(dataset, wanted), first)


def test_other_preprocessing_is_another_entry_and_damage_is_repaired(small):
    dataset = scan(small)
    wanted = Preprocessing(size=64)
    first = np.array(load_inputs(dataset, wanted))
    assert load_inputs(dataset, Preprocessing(size=32)).shape == (8, 32, 32)
    path = input_cache.entry_path(dataset, wanted)
    assert path.is_relative_to(settings.runs_dir())
    data = bytearray(path.read_bytes())
    data[5000] ^= 255
    path.write_bytes(data)
    assert np.array_equal(load_inputs(dataset, wanted), first)
    assert path.read_bytes() != bytes(data)


def test_a_cache_that_cannot_be_written_is_done_without(small, home):
    dataset = scan(small)
    home.write_text("a file where the folder should be")
    inputs = load_inputs(dataset, Preprocessing(size=32))
    assert inputs.shape == (8, 32, 32) and inputs.any()


def test_files_that_changed_since_the_scan_are_refused(small):
    dataset = scan(small)
    write(small, no__P3_1=99)
    with pytest.raises(ChangedDataError, match=r"no/P3_1\.png has other pixels.*resume the run"):
        load_inputs(dataset, Preprocessing(size=32))
    (small / "no/P3_1.png").unlink()
    with pytest.raises(ChangedDataError, match=r"no/P3_1\.png could be read when"):
        load_inputs(dataset, Preprocessing(size=32))


# --- real data -----------------------------------------------------------------------------


def test_real_slices_are_two_series_and_make_two_folds(shared_data):
    dataset = scan(shared_data / "kaggle-csfdv1/originals")
    assert len(dataset.items) == 92 and dataset.unreadable == ()
    assert set(dataset.groups) == {"CSFDV1B11", "CSFDV1B12"}
    folds = assign_folds(dataset.labels, dataset.groups, 2, seed=0)
    assert len({*zip(folds.tolist(), dataset.groups.tolist(), strict=True)}) == 2


def test_real_augmented_copies_stay_with_their_series(shared_data):
    dataset = scan(shared_data / "kaggle-csfdv1/with-augmented-copies")
    assert len(dataset.items) == 120
    assert set(dataset.groups) == {"CSFDV1B11", "CSFDV1B12"}
    for item in dataset.items:
        assert item.path.split("/")[1].startswith(item.group)


def test_real_copies_under_scrambled_names_join_their_series(shared_data, tmp_path):
    source = shared_data / "kaggle-csfdv1/originals"
    for n in (18, 72):
        path = source / f"fracture/CSFDV1B12 ({n}).png"
        smaller = cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (224, 224))
        (tmp_path / "fracture").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "fracture")
        cv2.imwrite(str(tmp_path / f"fracture/Q{n} (1).jpg"), smaller)
    (tmp_path / "normal").mkdir()
    shutil.copy(source / "normal/CSFDV1B11 (103).png", tmp_path / "normal")
    assert set(scan(tmp_path).groups) == {"CSFDV1B11", "CSFDV1B12+2"}


def test_real_dicom_in_the_rsna_layout(shared_data, tmp_path):
    source = shared_data / "rsna-2022-dicom"
    fractured, healthy = "1.2.826.0.1.3680043.14267", "1.2.826.0.1.3680043.21326"
    shutil.copytree(source, tmp_path / "train_images")
    (tmp_path / "train.csv").write_text(
        f"StudyInstanceUID,patient_overall\n{fractured},1\n{healthy},0\n"
    )
    (tmp_path / "train_bounding_boxes.csv").write_text(
        f"StudyInstanceUID,x,y,width,height,slice_number\n{fractured},9,9,50,50,3\n"
        f"{fractured},9,9,50,50,4\n"
    )
    dataset = scan(tmp_path)
    assert [p for p, y in zip(dataset.paths, dataset.labels, strict=True) if y] == [
        f"train_images/{fractured}/3.dcm",
        f"train_images/{fractured}/4.dcm",
    ]
    assert len(dataset.items) == 8
    assert len(set(dataset.groups)) == 2
    assert all(len(g) == 14 and g.startswith("dicom-") for g in dataset.groups)
    assert dataset.group_rule.startswith("by DICOM PatientID")
    assert dataset.notes[0].startswith("Left out 6 slices of fractured studies outside any")


def test_real_dicom_without_suffix_is_one_patient_beside_another(shared_data, tmp_path):
    for number, path in enumerate(sorted((shared_data / "totalsegmentator-dicom").iterdir())[:2]):
        target = tmp_path / ("fracture", "normal")[number]
        target.mkdir()
        shutil.copy(path, target)
    shutil.copy(shared_data / "rsna-2022-dicom/1.2.826.0.1.3680043.14267/1.dcm", target)
    dataset = scan(tmp_path)
    assert len(dataset.items) == 3 and len(set(dataset.groups)) == 2


def test_real_volume_gives_its_middle_slice(shared_data, tmp_path):
    for name, volume in (
        ("fracture", "example_ct_sm.nii.gz"),
        ("normal", "sub-ct_label-22_ct.nii.gz"),
    ):
        (tmp_path / name).mkdir()
        shutil.copy(shared_data / "nifti" / volume, tmp_path / name)
    dataset = scan(tmp_path)
    assert len(dataset.items) == 2
    assert dataset.notes == ("2 files hold several slices: the middle slice of each is used.",)


def numbered(root: Path, names: list[str], table: str = "") -> list[int]:
    """Write a slice a name, beside those of another patient; return their places."""
    for seed, name in enumerate(names):
        write(root, **{f"slices__{name}": seed})
    write(root, slices__Q_1=90, slices__Q_2=91)
    rows = [f"slices/{name}.png,{n % 2},P,{n}" for n, name in enumerate(names)]
    rows += ["slices/Q_1.png,1,Q,1", "slices/Q_2.png,0,Q,2"]
    head = f"path,label,patient,{table or 'other'}"
    (root / "labels.csv").write_text("\n".join([head, *rows]) + "\n")
    items = {Path(item.path).stem: item for item in scan(root).items}
    assert (items["Q_1"].position, items["Q_2"].position) == (1, 2)
    return [items[name].position for name in names]


def test_slices_have_the_place_that_their_names_say(tmp_path):
    names = ["10", "1", "9", "2", "11"]
    assert numbered(tmp_path / "a", names) == [4, 1, 3, 2, 5]


def test_a_column_position_precedes_names(tmp_path):
    names = ["10", "1", "9", "2", "11"]
    assert numbered(tmp_path / "a", names, table="position") == [1, 2, 3, 4, 5]


def test_slices_of_both_class_folders_are_one_series(tmp_path):
    names = {f"{('no', 'fracture')[n in (9, 10)]}__P1_{n}": n for n in range(1, 13)}
    dataset = scan(write(tmp_path / "a", **names, fracture__P2_1=40))
    places = {Path(item.path).stem: item.position for item in dataset.items}
    assert [places[f"P1_{n}"] for n in range(1, 13)] == list(range(1, 13))
    assert dataset.positions == tuple(item.position for item in dataset.items)


def test_the_position_in_the_header_precedes_names(tmp_path):
    """Names may run from the head to the feet or the other way round."""
    phantom.write_phantom(
        tmp_path / "a", patients=2, slices=3, seed=1, format="dicom", size=256, workers=1
    )

    def places() -> list[int]:
        found = {Path(item.path).stem: item.position for item in scan(tmp_path / "a").items}
        return [found[f"P{p:03}_{n:02}"] for p in (0, 1) for n in range(3)]

    assert places() == [3, 2, 1] * 2  # the phantom is numbered from the head
    for path in (tmp_path / "a").glob("*/*.dcm"):
        header = pydicom.dcmread(path)
        header.ImagePositionPatient[2] *= -1
        header.save_as(path)
    assert places() == [1, 2, 3] * 2


def test_a_file_that_kills_its_decoder_is_unreadable_and_ends_nothing(small, deadly_decoder):
    (small / "no/deadly.bmp").write_bytes(dying_decoder.CRASH)
    dataset = scan(small)
    (entry,) = dataset.unreadable
    assert entry.path == "no/deadly.bmp" and "could not be decoded safely" in entry.reason


def test_values_that_are_no_hounsfield_units_and_other_planes_are_noted(tmp_path):
    root = tmp_path / "a"
    phantom.write_phantom(root, patients=2, slices=2, seed=1, format="dicom", size=256, workers=1)
    assert not any("Hounsfield" in note or "plane" in note for note in scan(root).notes)
    first, second, *_ = sorted(root.glob("*/*.dcm"))
    for path, keyword, value in (
        (first, "RescaleIntercept", "0"),
        (second, "ImageOrientationPatient", [0, 1, 0, 0, 0, -1]),
    ):
        header = pydicom.dcmread(path)
        setattr(header, keyword, value)
        header.save_as(path)
    dataset = scan(root)
    assert "1 slice of CT without Hounsfield units" in " ".join(dataset.notes)
    assert "3 axial and 1 sagittal slices are mixed" in " ".join(dataset.notes)
    assert first.name not in " ".join(dataset.notes) and first.name in " ".join(dataset.details)


def test_what_became_a_link_since_the_scan_is_not_followed(small, tmp_path):
    dataset = scan(small)
    shutil.copytree(small, tmp_path / "elsewhere")
    root = dataset.root
    shutil.rmtree(root)
    root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="a link leads to elsewhere"):
        load_inputs(dataset, Preprocessing(size=32, bone_crop=False))
