"""Augmented copies: what training sees, bound to their source by name, table and audit."""

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from spinefrac.audit import audit_folder
from spinefrac.data.groups import augmented_name, original_stem
from spinefrac.data.scan import load_inputs, scan
from spinefrac.errors import DatasetError
from spinefrac.records import Preprocessing
from spinefrac.training.augmentation import preview
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.augmentation.export import export_augmented_copies
from spinefrac.training.augmentation.presets import load_by_name_or_path
from spinefrac.training.augmentation.transforms import Augmenter

SEEN = Preprocessing(size=32, bone_crop=False)
CONFIG = AugmentationConfig(sharpness=0.5)


def test_copies_are_the_pictures_of_training(folder, tmp_path):
    result = export_augmented_copies(
        folder, tmp_path / "out", CONFIG, copies=3, seed=5, preprocessing=SEEN
    )
    assert (result.slices, result.copies, result.unreadable) == (48, 144, ())
    dataset = scan(folder)
    inputs = load_inputs(dataset, SEEN)
    for index in (0, 17, 47):
        path = Path(dataset.items[index].path)
        for epoch in (1, 3):
            file = result.folder / path.parent / f"{path.stem}-augmented{epoch}.png"
            written = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(written, Augmenter(CONFIG, 5)(inputs[index], epoch, index))
        original = cv2.imread(str(result.folder / path), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(original, inputs[index])
    assert load_by_name_or_path(str(result.folder / "augmentation.yaml")) == CONFIG


@pytest.mark.slow
def test_the_audit_knows_every_copy_and_no_fold_can_part_it_from_its_source(folder, tmp_path):
    out = export_augmented_copies(
        folder, tmp_path / "out", CONFIG, copies=2, preprocessing=SEEN
    ).folder
    assert audit_folder(out).augmented_copies == 96
    with (out / "labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    source_of = {row["path"]: row["source"] for row in rows}
    sources = {item.path: item for item in scan(folder).items}
    for bound_by in ("labels.csv", "names"):
        group_of = {item.path: item.group for item in scan(out).items}
        label_of = {item.path: item.label for item in scan(out).items}
        assert len(group_of) == 144
        for path, source in source_of.items():
            assert group_of[path] == group_of[source], bound_by
            assert label_of[path] == sources[source].label
        if bound_by == "labels.csv":
            assert group_of == {path: sources[source].group for path, source in source_of.items()}
            (out / "labels.csv").unlink()


@given_settings(deadline=None)  # other processes may have the cores
@given(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1),
    st.sampled_from(["", ".png", ".dcm", ".nii.gz", ".JPG", "-rotated3.png", " (18).png"]),
    st.integers(1, 9999),
)
def test_a_copy_s_name_is_read_as_its_source(stem, ending, number):
    source = f"{stem}{ending}"
    # One that ends with a separator is refused, see below.
    assume(original_stem(source)[-1] not in " _-." and not original_stem(source)[-1].isspace())
    copy = augmented_name(f"fracture/{source}", number)
    assert original_stem(copy) == original_stem(source)
    assert original_stem(copy) != copy.removesuffix(".png")


def test_nothing_is_written_where_it_cannot_be_whole(folder, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    for out, said in ((folder / "copies", "outside the data set"), (tmp_path / "there", "exists")):
        with pytest.raises(DatasetError, match=said):
            export_augmented_copies(folder, out, CONFIG, preprocessing=SEEN)
    with pytest.raises(DatasetError, match="expected 1 to 1000 copies"):
        export_augmented_copies(folder, tmp_path / "out", CONFIG, copies=0, preprocessing=SEEN)

    def stopped(done: int, of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_augmented_copies(
            folder, tmp_path / "out", CONFIG, preprocessing=SEEN, progress=stopped
        )
    before = {"there", "slices", "home"}
    assert {path.name for path in tmp_path.iterdir()} == before


def test_two_sources_of_one_name_are_refused(folder, tmp_path):
    picture = cv2.imread(str(folder / "fracture/P00_0.png"))
    assert cv2.imwrite(str(folder / "fracture/P00_0.bmp"), 255 - picture)
    with pytest.raises(DatasetError, match=r"P00_0\.bmp and fracture/P00_0\.png would get"):
        export_augmented_copies(folder, tmp_path / "out", CONFIG, preprocessing=SEEN)


def test_a_source_that_no_name_leads_back_to_is_refused(folder, tmp_path):
    (folder / "fracture/P00_0.png").rename(folder / "fracture/P00_.png")
    with pytest.raises(
        DatasetError, match=r"fracture/P00_\.png could not be distinguished .* rename it"
    ):
        export_augmented_copies(folder, tmp_path / "out", CONFIG, preprocessing=SEEN)


def test_the_preview_numbers_slices_as_training_does(folder):
    (folder / "fracture" / "A_first.png").write_bytes(b"not a picture")
    order = preview.list_training_order(folder)
    assert not order.is_exact and len(order.paths) == 49
    audit_folder(folder)  # now it is known which file cannot be read
    order = preview.list_training_order(folder)
    assert order.is_exact and order.paths == scan(folder).paths


def test_ends_and_frames_go_through_the_range(folder):
    pixels = cv2.imread(str(folder / "fracture/P00_0.png"), cv2.IMREAD_UNCHANGED)
    config = AugmentationConfig(rotation=(-10, 30), flip=True)
    (low, first), (high, last) = preview.preview_range_ends(pixels, config, "rotation")
    assert (low, high) == (-10, 30)
    frames = preview.preview_range(pixels, config, "rotation")
    assert [frames[0][0], frames[-1][0]] == [-10, 30] and len(frames) == preview.FRAME_COUNT
    assert np.array_equal(frames[0][1], first) and np.array_equal(frames[-1][1], last)
    _, (_, mirrored) = preview.preview_range_ends(pixels, config, "flip")
    assert np.array_equal(mirrored, pixels[:, ::-1])


def test_a_folder_that_cannot_be_written_is_said(folder, tmp_path):
    if os.geteuid() == 0:
        blocked = tmp_path / "a-file"
        blocked.write_text("")
    else:
        blocked = tmp_path / "closed"
        blocked.mkdir(mode=0o500)
    with pytest.raises(DatasetError, match="the copies cannot be written"):
        export_augmented_copies(folder, blocked / "out", CONFIG, preprocessing=SEEN)
