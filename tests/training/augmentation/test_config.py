"""The augmentation as an object, as code, as JSON and as YAML."""

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from spinefrac.errors import TrainingError
from spinefrac.training.augmentation.config import (
    LIMITS,
    PRESETS,
    TRANSFORMS,
    AugmentationConfig,
)
from spinefrac.training.augmentation.yaml_io import from_yaml, to_yaml
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
    settings = TrainingSettings(augmentation=config).to_dict()  # what is automatic is decided
    assert TrainingSettings.from_dict(json.loads(json.dumps(settings))).to_dict() == settings
    assert AugmentationConfig.from_dict(settings["augmentation"]) == config


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


def test_every_field_has_a_default():
    assert {field.name for field in fields(AugmentationConfig)} == {
        *TRANSFORMS,
        *(f"{name}_probability" for name in TRANSFORMS),
    }
