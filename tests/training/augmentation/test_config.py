"""The augmentation as an object, as code, as JSON, as YAML and under a name."""

import json
import os
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from spinefrac.errors import TrainingError
from spinefrac.training.augmentation import presets as sets
from spinefrac.training.augmentation.config import (
    LIMITS,
    PRESETS,
    TRANSFORMS,
    AugmentationConfig,
)
from spinefrac.training.augmentation.yaml_io import MAX_YAML_BYTES, from_yaml, to_yaml
from spinefrac.training.settings import TrainingSettings


@st.composite
def configs(draw):
    values = {"flip": draw(st.booleans())}
    for name, (lowest, highest) in LIMITS.items():
        one = st.floats(0, highest)
        two = st.tuples(st.floats(lowest, highest), st.floats(lowest, highest)).map(sorted)
        values[name] = draw(st.one_of(one, two.map(tuple)))
    for name in TRANSFORMS:
        values[f"{name}_probability"] = draw(st.floats(0, 1))
    return AugmentationConfig(**values)


# --- the same as code, JSON and YAML -----------------------------------------------------


@given_settings(deadline=None)  # other processes may have the cores
@given(configs())
def test_the_python_call_makes_an_equal_object(config):
    call = config.to_python_code()
    assert eval(call, {"AugmentationConfig": AugmentationConfig}) == config


@given_settings(deadline=None)  # other processes may have the cores
@given(configs())
def test_yaml_and_json_give_it_back_equal(config):
    assert from_yaml(to_yaml(config)) == config
    assert AugmentationConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    settings = TrainingSettings(augmentation=config)
    assert TrainingSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_a_card_of_before_there_were_probabilities_is_read():
    old = {
        "brightness": 0.08,
        "contrast": 0.15,
        "flip": True,
        "noise": 0.02,
        "rotation": 15.0,
        "shift": 0.06,
        "zoom": 0.1,
    }
    assert AugmentationConfig.from_dict(old) == AugmentationConfig() == PRESETS["standard"]


def test_a_pair_around_zero_is_the_same_as_one_number():
    assert AugmentationConfig(rotation=(-5, 5)) == AugmentationConfig(rotation=5)
    assert AugmentationConfig(noise=(0, 0.1)) == AugmentationConfig(noise=0.1)
    assert AugmentationConfig(rotation=(0, 5)).get_range("rotation") == (0, 5)


def test_presets_grow_from_off_to_strong():
    off, light, standard, strong = (PRESETS[n] for n in ("off", "light", "standard", "strong"))
    assert not any(off.is_enabled(name) for name in TRANSFORMS)
    for name in LIMITS:
        ends = [config.get_range(name)[1] for config in (off, light, standard, strong)]
        assert ends == sorted(ends)
    assert all(strong.is_enabled(name) for name in TRANSFORMS)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"zoom": 1.0}, "zoom must lie between 0 and 0.9, got 1"),
        ({"zoom": (-0.95, 0)}, "zoom must go from low to high within -0.9 to 0.9"),
        ({"zoom": (0.2, 0.1)}, "got 0.2 to 0.1"),
        ({"zoom": (1, 2, 3)}, "one number or two, low and high, got 3"),
        ({"noise": (-0.1, 0.1)}, "within 0 to 0.5"),
        ({"noise": float("nan")}, "noise must be a number, got nan"),
        ({"rotation": "15"}, "rotation must be a number, got '15'"),
        ({"rotation": True}, "rotation must be a number, got True"),
        ({"rotation": 10**400}, "rotation must be a number"),
        ({"flip": 1}, "flip must be true or false, got 1"),
        ({"shift_probability": 1.5}, "shift_probability must lie between 0 and 1, got 1.5"),
    ],
)
def test_a_value_out_of_its_limits_is_named(values, said):
    with pytest.raises(TrainingError) as error:
        AugmentationConfig(**values)
    assert said in str(error.value) and "\n" not in str(error.value)


# --- YAML that people write --------------------------------------------------------------


def test_short_forms_and_what_is_left_out():
    config = from_yaml("rotation: 10\nzoom: [0, 0.2]\nflip: true\nnoise: {range: 0.01}\n")
    assert config.get_range("rotation") == (-10, 10) and config.get_range("zoom") == (0, 0.2)
    assert config.flip and config.flip_probability == 0.5 and config.noise == 0.01
    assert not config.is_enabled("brightness") and not config.is_enabled("contrast")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got nothing"),
        ("- 1\n- 2", "got a list"),
        ("just words", "got a text"),
        ("12", "got a value"),
        ("rotate: 15", "unknown transform 'rotate'; there are flip, rotation"),
        ("1: 2", "unknown transform 1"),
        ("rotation: fast", "rotation must be a number, got 'fast'"),
        ("rotation: 1e-5", "must be a number, got '1e-5'"),
        ("rotation: .nan", "must be a number, got nan"),
        ("rotation: [1, 2, 3]", "one number or two, low and high, got 3"),
        ("rotation: [[1], 2]", "rotation must be a number, got a list of 1"),
        ("rotation: 2024-01-01", "must be a number, got datetime.date(2024"),
        ("rotation: 2024-13-41", "no YAML of an augmentation"),
        ("rotation: {rng: 5}", "rotation takes range and probability, got 'rng'"),
        ("rotation: {probability: 0.5}", "rotation needs its range"),
        ("rotation: {range: 5, probability: 2}", "rotation_probability must lie between 0 and 1"),
        ("flip: {enabled: 1}", "flip must be true or false, got 1"),
        ("rotation: 5\nrotation: 6", "'rotation' comes twice"),
        ("rotation: [1,", "no YAML in line"),
        ("rotation: !!python/object/apply:os.system ['true']", "no YAML in line 1"),
        ("rotation: 5\n---\nzoom: 1", "no YAML in line"),
        ("[" * 3_000, "no YAML of an augmentation (RecursionError)"),
        ("#" * (MAX_YAML_BYTES + 1), "at most 64 KB"),
        (b"\xff\xfe\xfa", "no YAML"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]", "unknown transform 'a'"),
        ("? [1]\n: 2", "no YAML"),
    ],
)
def test_every_mistake_in_a_file_is_one_line(text, said):
    with pytest.raises(TrainingError) as error:
        from_yaml(text)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@given_settings(deadline=None)  # other processes may have the cores
@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_any_text_is_read_or_refused_in_one_line(text):
    try:
        assert isinstance(from_yaml(text), AugmentationConfig)
    except TrainingError as error:
        assert "\n" not in str(error) and len(str(error)) < 400


# --- saved by name -----------------------------------------------------------------------


def test_saved_listed_loaded_deleted(home):
    config = AugmentationConfig(rotation=(0, 3), sharpness=0.2, sharpness_probability=0.5)
    path = sets.save("gentle-turns", config)
    assert path == home / "augmentations" / "gentle-turns.yaml"
    assert [path.name for path in path.parent.iterdir()] == ["gentle-turns.yaml"]
    assert [entry.name for entry in sets.list_augmentations()] == [*PRESETS, "gentle-turns"]
    assert sets.load("gentle-turns") == sets.load_by_name_or_path("gentle-turns") == config
    sets.delete("gentle-turns")
    assert [entry.name for entry in sets.list_augmentations()] == list(PRESETS)
    with pytest.raises(TrainingError, match="there is no augmentation gentle-turns"):
        sets.delete("gentle-turns")


@pytest.mark.parametrize("links", [True, False])
def test_a_name_in_use_is_kept_unless_replaced(links, monkeypatch):
    def no_links(*_):
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    sets.save("mine", AugmentationConfig(rotation=1))
    with pytest.raises(TrainingError, match="there is an augmentation mine already"):
        sets.save("mine", AugmentationConfig(rotation=2))
    assert sets.load("mine").rotation == 1
    sets.save("mine", AugmentationConfig(rotation=2), overwrite=True)
    assert sets.load("mine").rotation == 2
    assert [path.name for path in sets.presets_dir().iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("name", ["", "../mine", "a/b", "Mine", "x" * 81, "con", ".hidden", "a\0b"])
def test_a_name_that_is_none_is_refused(name):
    for act in (sets.load, sets.delete, lambda name: sets.save(name, AugmentationConfig())):
        with pytest.raises(TrainingError, match="An augmentation's name is lower-case letters"):
            act(name)


def test_presets_stay_as_they_are():
    with pytest.raises(TrainingError, match="light is a preset"):
        sets.save("light", AugmentationConfig(), overwrite=True)
    with pytest.raises(TrainingError, match="light is a preset"):
        sets.delete("light")


def test_a_damaged_file_says_so_and_leaves_the_others(home):
    sets.save("good", AugmentationConfig())
    path = sets.save("spoilt", AugmentationConfig())
    path.write_text("rotation: 5000\n")
    spoilt = sets.list_augmentations()[-1]
    assert (spoilt.name, spoilt.config) == ("spoilt", None)
    assert "the saved augmentation spoilt: augmentation rotation must lie" in spoilt.error
    assert sets.load("good") == AugmentationConfig()
    with pytest.raises(TrainingError, match="spoilt: augmentation rotation must lie between"):
        sets.load_by_name_or_path("spoilt")


def test_a_full_or_closed_disk_is_said(home):
    home.mkdir()
    (home / "augmentations").write_text("a file where the folder should be")
    with pytest.raises(TrainingError, match="mine cannot be saved"):
        sets.save("mine", AugmentationConfig())


def test_a_file_is_taken_where_a_path_is_given(tmp_path):
    file = tmp_path / "turns.yaml"
    file.write_text("rotation: 3\n")
    assert sets.load_by_name_or_path(str(file)).rotation == 3
    file.write_text("rotation: 3000\n")
    with pytest.raises(TrainingError, match=r"turns\.yaml: augmentation rotation must lie"):
        sets.load_by_name_or_path(str(file))
    for text in ("no/such.yaml", "x" * 5000, "a\0b", str(tmp_path)):
        with pytest.raises(TrainingError) as error:
            sets.load_by_name_or_path(text)
        assert len(str(error.value)) < 300


def test_every_field_has_a_default():
    assert {field.name for field in fields(AugmentationConfig)} == {
        *TRANSFORMS,
        *(f"{name}_probability" for name in TRANSFORMS),
    }
