"""Augmentations saved under a name."""

import os

import pytest

from spinefrac.errors import TrainingError
from spinefrac.training.augmentation import presets
from spinefrac.training.augmentation.config import (
    PRESETS,
    AugmentationConfig,
)


def test_saved_listed_loaded_deleted(home):
    config = AugmentationConfig(rotation=(0, 3), sharpness=0.2, sharpness_probability=0.5)
    path = presets.save("gentle-turns", config)
    assert path == home / "augmentations" / "gentle-turns.yaml"
    assert [path.name for path in path.parent.iterdir()] == ["gentle-turns.yaml"]
    assert [entry.name for entry in presets.list_augmentations()] == [*PRESETS, "gentle-turns"]
    assert presets.load("gentle-turns") == presets.load_by_name_or_path("gentle-turns") == config
    presets.delete("gentle-turns")
    assert [entry.name for entry in presets.list_augmentations()] == list(PRESETS)
    with pytest.raises(TrainingError, match="there is no augmentation gentle-turns"):
        presets.delete("gentle-turns")


@pytest.mark.parametrize("links", [True, False])
def test_a_name_in_use_is_kept_unless_replaced(links, monkeypatch):
    def no_links(*_):
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    presets.save("mine", AugmentationConfig(rotation=1))
    with pytest.raises(TrainingError, match="there is an augmentation mine already"):
        presets.save("mine", AugmentationConfig(rotation=2))
    assert presets.load("mine").rotation == 1
    presets.save("mine", AugmentationConfig(rotation=2), overwrite=True)
    assert presets.load("mine").rotation == 2
    assert [path.name for path in presets.presets_dir().iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("name", ["", "../mine", "a/b", "Mine", "x" * 81, "con", ".hidden", "a\0b"])
def test_a_name_that_is_none_is_refused(name):
    for act in (
        presets.load,
        presets.delete,
        lambda name: presets.save(name, AugmentationConfig()),
    ):
        with pytest.raises(TrainingError, match="An augmentation's name is lower-case letters"):
            act(name)


def test_presets_stay_as_they_are():
    with pytest.raises(TrainingError, match="light is a preset"):
        presets.save("light", AugmentationConfig(), overwrite=True)
    with pytest.raises(TrainingError, match="light is a preset"):
        presets.delete("light")


def test_a_damaged_file_says_so_and_leaves_the_others(home):
    presets.save("good", AugmentationConfig())
    path = presets.save("spoilt", AugmentationConfig())
    path.write_text("rotation: 5000\n")
    spoilt = presets.list_augmentations()[-1]
    assert (spoilt.name, spoilt.config) == ("spoilt", None)
    assert "the saved augmentation spoilt: augmentation rotation must lie" in spoilt.error
    assert presets.load("good") == AugmentationConfig()
    with pytest.raises(TrainingError, match="spoilt: augmentation rotation must lie between"):
        presets.load_by_name_or_path("spoilt")


def test_a_full_or_closed_disk_is_said(home):
    home.mkdir()
    (home / "augmentations").write_text("a file where the folder should be")
    with pytest.raises(TrainingError, match="mine cannot be saved"):
        presets.save("mine", AugmentationConfig())


def test_a_file_is_taken_where_a_path_is_given(tmp_path):
    file = tmp_path / "turns.yaml"
    file.write_text("rotation: 3\n")
    assert presets.load_by_name_or_path(str(file)).rotation == 3
    file.write_text("rotation: 3000\n")
    with pytest.raises(TrainingError, match=r"turns\.yaml: augmentation rotation must lie"):
        presets.load_by_name_or_path(str(file))
    for text in ("no/such.yaml", "x" * 5000, "a\0b", str(tmp_path)):
        with pytest.raises(TrainingError) as error:
            presets.load_by_name_or_path(text)
        assert len(str(error.value)) < 300
