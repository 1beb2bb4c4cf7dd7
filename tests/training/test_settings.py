"""Settings are checked when they are made, and survive JSON."""

import pytest

from spinefrac.errors import TrainingError
from spinefrac.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "vgg"}, "unknown network"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"epochs": 1.5}, "epochs must be a whole number, got 1.5"),
        ({"epochs": None}, "epochs must be a whole number, got None"),
        ({"folds": "3"}, "folds must be a whole number, got '3'; the default is automatic"),
        ({"learning_rate": "low"}, "learning rate must be a number"),
        ({"learning_rate": 0.0}, "learning rate must lie between"),
        ({"workers": -1}, "workers must be 0"),
        ({"seed": -1}, "seed must lie between"),
        ({"seed": 2**32}, "seed must lie between"),
        ({"group_by": "patient"}, "group-by must be auto"),
    ],
)
def test_settings_that_cannot_be_meant(change, said):
    with pytest.raises(TrainingError, match=said):
        TrainingSettings(**change)


def test_a_rate_below_the_least_of_the_form_is_kept():
    """A run or card that was saved with it must open again."""
    settings = TrainingSettings(network="compact", learning_rate=1e-9, weights="none")
    assert TrainingSettings.from_dict(settings.to_dict()) == settings


def test_settings_survive_json():
    import json

    settings = TrainingSettings(epochs=3, weights="x.h5", learning_rate=1e-3)
    assert TrainingSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_the_number_of_folds_may_be_left_open():
    settings = TrainingSettings()
    assert settings.folds is None and settings.expected_folds == 5
    assert TrainingSettings(folds=3).expected_folds == 3


def test_weights_are_automatic_until_they_are_recorded():
    assert TrainingSettings().initial_weights == TrainingSettings().to_dict()["weights"] == "spine"
    assert TrainingSettings(network="resnet50").initial_weights == "none"
    assert TrainingSettings(network="compact", weights="none").initial_weights == "none"
    recorded = TrainingSettings.from_dict(TrainingSettings().to_dict())
    assert recorded.with_values({"seed": 1}).weights == "spine"


def test_records_from_before_weights_had_names_meant_random_ones():
    """A run of then resumes, and a model's settings train again, as they were."""
    old = {**TrainingSettings(network="compact").to_dict(), "weights": None}
    assert TrainingSettings.from_dict(old).initial_weights == "none"
    del old["weights"]
    assert TrainingSettings.from_dict(old).initial_weights == "none"


def test_the_learning_rate_is_automatic_until_it_is_recorded():
    """Lower from pretrained weights; an old record has a number and keeps it."""
    assert TrainingSettings().highest_learning_rate == 5e-4
    assert TrainingSettings(network="compact", weights="none").highest_learning_rate == 2e-3
    assert TrainingSettings(learning_rate=0.1).to_dict()["learning_rate"] == 0.1
    assert TrainingSettings().to_dict()["learning_rate"] == 5e-4
    old = {
        **TrainingSettings(network="compact", weights="none").to_dict(),
        "learning_rate": 2e-3,
        "weights": None,
    }
    assert TrainingSettings.from_dict(old).highest_learning_rate == 2e-3


@pytest.mark.parametrize(
    ("network", "thaw", "expected"),
    [
        ("compact", False, False),
        ("lite0", False, True),
        ("lite0", True, True),
        ("compact_lite0", False, True),
        ("compact_lite0", True, False),
    ],
)
def test_the_head_alone_is_fitted_unless_a_backbone_is_trained_too(network, thaw, expected):
    assert TrainingSettings(network=network, thaw=thaw).fits_head_only == expected


def test_places_are_refused_where_no_feature_map_can_learn_from_them():
    with pytest.raises(TrainingError, match="choose the network compact"):
        TrainingSettings(places=True)
    assert TrainingSettings(network="compact", places=True).places


def test_settings_of_before_name_variants_that_are_epochs_now():
    old = {**TrainingSettings().to_dict(), "feature_variants": 2}
    assert TrainingSettings.from_dict(old) == TrainingSettings.from_dict(
        TrainingSettings().to_dict()
    )
