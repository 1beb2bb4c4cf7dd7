"""Augmentations saved under a name."""

import os

import pytest

from spinefrac.access.policy import LOCAL, Identity, Role
from spinefrac.errors import AccessError, TrainingError
from spinefrac.training.augmentation import presets
from spinefrac.training.augmentation.config import (
    PRESETS,
    AugmentationConfig,
)


def test_saved_listed_loaded_deleted(home):
    config = AugmentationConfig(rotation=(0, 3), sharpness=0.2, sharpness_probability=0.5)
    path = presets.save(LOCAL, "gentle-turns", config)
    assert path == home / "augmentations" / "gentle-turns.yaml"
    assert [path.name for path in path.parent.iterdir()] == ["gentle-turns.yaml"]
    assert [entry.name for entry in presets.list_augmentations(LOCAL)] == [*PRESETS, "gentle-turns"]
    assert (
        presets.load(LOCAL, "gentle-turns")
        == presets.load_by_name_or_path("gentle-turns")
        == config
    )
    presets.delete(LOCAL, "gentle-turns")
    assert [entry.name for entry in presets.list_augmentations(LOCAL)] == list(PRESETS)
    with pytest.raises(TrainingError, match="there is no augmentation gentle-turns"):
        presets.delete(LOCAL, "gentle-turns")


@pytest.mark.parametrize("links", [True, False])
def test_a_name_in_use_is_kept_unless_replaced(links, monkeypatch):
    def no_links(*_):
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    presets.save(LOCAL, "mine", AugmentationConfig(rotation=1))
    with pytest.raises(TrainingError, match="there is an augmentation mine already"):
        presets.save(LOCAL, "mine", AugmentationConfig(rotation=2))
    assert presets.load(LOCAL, "mine").rotation == 1
    presets.save(LOCAL, "mine", AugmentationConfig(rotation=2), overwrite=True)
    assert presets.load(LOCAL, "mine").rotation == 2
    assert [path.name for path in presets.presets_dir().iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("name", ["", "../mine", "a/b", "Mine", "x" * 81, "con", ".hidden", "a\0b"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(TrainingError, match="An augmentation's name is lower-case letters"):
        presets.save(LOCAL, name, AugmentationConfig())
    for act in (presets.load, presets.delete):
        with pytest.raises(TrainingError, match="there is no augmentation"):
            act(LOCAL, name)


def test_presets_stay_as_they_are():
    with pytest.raises(TrainingError, match="light is a preset"):
        presets.save(LOCAL, "light", AugmentationConfig(), overwrite=True)
    with pytest.raises(TrainingError, match="light is a preset"):
        presets.delete(LOCAL, "light")


def test_a_damaged_file_says_so_and_leaves_the_others(home):
    presets.save(LOCAL, "good", AugmentationConfig())
    path = presets.save(LOCAL, "spoilt", AugmentationConfig())
    path.write_text("rotation: 5000\n")
    spoilt = presets.list_augmentations(LOCAL)[-1]
    assert (spoilt.name, spoilt.config) == ("spoilt", None)
    assert "the saved augmentation spoilt: augmentation rotation must lie" in spoilt.error
    assert presets.load(LOCAL, "good") == AugmentationConfig()
    with pytest.raises(TrainingError, match="spoilt: augmentation rotation must lie between"):
        presets.load_by_name_or_path("spoilt")


def test_a_full_or_closed_disk_is_said(home):
    home.mkdir()
    (home / "augmentations").write_text("a file where the folder should be")
    with pytest.raises(TrainingError, match="mine cannot be saved"):
        presets.save(LOCAL, "mine", AugmentationConfig())


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


KIM, TOM = Identity("kim", Role.TRAINER), Identity("tom@example.org", Role.TRAINER)
VIC, ADA = Identity("vic", Role.VIEWER), Identity("ada", Role.ADMIN)


def list_names(identity):
    return [entry.name for entry in presets.list_augmentations(identity)[len(PRESETS) :]]


def test_a_preset_is_private_until_it_is_shared():
    presets.save(KIM, "gentle", AugmentationConfig(rotation=1))
    assert [list_names(one) for one in (KIM, TOM, VIC)] == [["gentle"], [], []]
    assert list_names(ADA) == list_names(LOCAL) == ["kim/gentle"]
    with pytest.raises(TrainingError, match="there is no augmentation kim/gentle; there are"):
        presets.load(TOM, "kim/gentle")
    presets.share(KIM, "gentle", shared=True)
    assert [list_names(one) for one in (KIM, TOM, VIC)] == [
        ["gentle"], ["kim/gentle"], ["kim/gentle"],
    ]  # fmt: skip
    assert presets.load(VIC, "kim/gentle").rotation == 1
    presets.share(KIM, "gentle", shared=False)
    assert list_names(TOM) == []


def test_names_of_others_are_free_and_theirs_stay():
    presets.save(KIM, "gentle", AugmentationConfig(rotation=1))
    presets.save(TOM, "gentle", AugmentationConfig(rotation=2))
    presets.save(TOM, "gentle", AugmentationConfig(rotation=3), overwrite=True)
    assert presets.load(KIM, "gentle").rotation == 1
    assert presets.load(TOM, "gentle").rotation == 3
    assert list_names(ADA) == ["kim/gentle", "tom@example.org/gentle"]
    assert presets.load_by_name_or_path("tom@example.org/gentle").rotation == 3


def test_only_the_owner_and_admins_change_a_shared_preset():
    presets.save(KIM, "gentle", AugmentationConfig(rotation=1))
    presets.share(KIM, "gentle", shared=True)
    for change in (presets.delete, lambda who, name: presets.share(who, name, shared=False)):
        for somebody in (TOM, VIC):
            with pytest.raises(AccessError):
                change(somebody, "kim/gentle")
    with pytest.raises(AccessError):
        presets.save(VIC, "mine", AugmentationConfig())
    presets.delete(ADA, "kim/gentle")
    assert list_names(KIM) == []


def test_presets_from_before_there_were_users_are_the_servers():
    presets.save(LOCAL, "gentle", AugmentationConfig(rotation=1))
    assert list_names(VIC) == list_names(KIM) == ["gentle"]
    with pytest.raises(TrainingError, match="there is an augmentation gentle already"):
        presets.save(KIM, "gentle", AugmentationConfig())
    with pytest.raises(AccessError):
        presets.save(KIM, "gentle", AugmentationConfig(), overwrite=True)
    with pytest.raises(AccessError):
        presets.delete(KIM, "gentle")
    with pytest.raises(TrainingError, match="everybody sees it"):
        presets.share(ADA, "gentle", shared=False)
    presets.save(ADA, "gentle", AugmentationConfig(rotation=2), overwrite=True)
    assert presets.load(KIM, "gentle").rotation == 2


@pytest.mark.parametrize("name", ["..", "../..", "a/../../b", "CON", "ü%2f"])
def test_the_name_of_an_owner_leads_nowhere_else(home, name):
    somebody = Identity(name, Role.TRAINER)
    path = presets.save(somebody, "mine", AugmentationConfig())
    assert path.parent.parent == home / "augmentations" / "private"
    assert list_names(somebody) == ["mine"] and list_names(LOCAL) == [f"{name}/mine"]
