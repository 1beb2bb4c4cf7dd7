"""The augmentation as a file that people write."""

import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from spinefrac.errors import TrainingError
from spinefrac.training.augmentation.config import (
    AugmentationConfig,
)
from spinefrac.training.augmentation.yaml_io import MAX_YAML_BYTES, from_yaml


def test_short_forms_and_what_is_left_out():
    config = from_yaml("rotation: 10\nzoom: [0, 0.2]\nflip: true\nnoise: {range: 0.01}\n")
    assert config.get_range("rotation") == (-10, 10) and config.get_range("zoom") == (0, 0.2)
    assert config.flip and config.flip_probability == 0.5 and config.noise == 0.01
    assert not config.is_enabled("brightness") and not config.is_enabled("contrast")


@pytest.mark.parametrize(
    ("text", "number"),
    [("010", 10), ("+5", 5), ("0x10", 16), ("0o17", 15), ("1e1", 10), (".5", 0.5), ("5.", 5)],
)
def test_numbers_are_those_of_yaml_1_2(text, number):
    assert from_yaml(f"rotation: {text}").rotation == number


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
        ("rotation: " + ":".join(["59"] * 3000), "must be a number, got '59:59"),
        ("rotation: 190:20:30.15", "must be a number, got '190:20"),
        ("rotation: " + "9" * 5000, "no YAML of an augmentation (ValueError)"),
        ("flip: yes", "flip must be true or false, got 'yes'"),
        ("!!int x: 1", "no YAML"),
        ("rotation: .nan", "must be a number, got nan"),
        ("rotation: [1, 2, 3]", "one number or two, low and high, got 3"),
        ("rotation: [[1], 2]", "rotation must be a number, got a list of 1"),
        ("rotation: 2024-01-01", "must be a number, got '2024-01-01'"),
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
