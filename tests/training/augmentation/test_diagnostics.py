"""The measurements rest on known fractures: moved, hidden and clipped by known amounts."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac import imaging, settings
from spinefrac.inference.predictor import Predictor
from spinefrac.records import Preprocessing
from spinefrac.store import repository
from spinefrac.training.augmentation import diagnostics as judgement
from spinefrac.training.augmentation.config import PRESETS, AugmentationConfig
from spinefrac.training.augmentation.diagnostics import GroundTruthSlice
from spinefrac.training.augmentation.transforms import TransformParams

ROOT = Path(__file__).resolve().parents[3]
DEMONSTRATION = settings.models_dir() / "phantom-demo"
SEEN = Preprocessing()


def bar(side: int = 100) -> GroundTruthSlice:
    """A dark line, columns 90 and 91, in bone of 200 on grey 100."""
    pixels = np.full((side, side), 100, np.uint8)
    pixels[:, 80:] = np.where((np.indices((side, 20)).sum(0) % 2)[..., None], 210, 190)[..., 0]
    fracture, beside = np.zeros((2, side, side), np.float32)
    pixels[:, 90:92] = 120
    fracture[:, 90:92] = 1
    beside[:, 84:88] = beside[:, 94:98] = 1
    return GroundTruthSlice(pixels, fracture, beside)


@pytest.mark.parametrize(
    ("draw", "lost"),
    [
        (TransformParams(), 0),
        (TransformParams(shift=(8, 0)), 0),
        (TransformParams(shift=(9, 0)), 0.5),  # one of two columns is out
        (TransformParams(shift=(10, 0)), 1),
        (TransformParams(shift=(-95, 0)), 1),
        (TransformParams(shift=(0, 25)), 0.25),
        (TransformParams(flip=True, shift=(8, 0)), 0),
        (TransformParams(flip=True, shift=(-10, 0)), 1),
        (TransformParams(zoom=1.0), 1),
        (TransformParams(rotation=180), 0),
    ],
)
def test_the_share_that_leaves_the_picture_is_counted(draw, lost):
    assert judgement.compute_lost_share(bar(), draw) == pytest.approx(lost)


def test_contrast_is_that_of_the_line_against_the_bone_beside_it():
    truth = bar()
    assert judgement.compute_line_visibility(truth, TransformParams()) == pytest.approx((1, 1))
    contrast, visibility = judgement.compute_line_visibility(truth, TransformParams(contrast=-0.75))
    assert contrast == pytest.approx(0.25, abs=0.02) and visibility == pytest.approx(1, abs=0.1)
    contrast, visibility = judgement.compute_line_visibility(truth, TransformParams(noise=40.0))
    assert contrast > 0.8 and visibility < 0.4  # noise hides it and takes none of its contrast
    assert judgement.compute_line_visibility(truth, TransformParams(brightness=255.0)) == (0, 0)
    moved, _ = judgement.compute_line_visibility(truth, TransformParams(flip=True, shift=(5, 0)))
    assert moved == pytest.approx(1)  # line and bone are followed to where they went
    assert all(
        map(math.isnan, judgement.compute_line_visibility(truth, TransformParams(shift=(10, 0))))
    )


def test_clipped_are_values_that_had_something_to_lose():
    pixels = np.zeros((10, 10), np.uint8)
    pixels[:4], pixels[4] = 200, 100
    assert (
        judgement.compute_clipped_share(pixels, TransformParams(brightness=-50.0)) == 0
    )  # black stays black
    assert judgement.compute_clipped_share(
        pixels, TransformParams(brightness=60.0)
    ) == pytest.approx(0.8)
    assert judgement.compute_clipped_share(pixels, TransformParams(rotation=30)) == 0


@pytest.mark.slow
def test_every_truth_has_its_fracture_in_the_picture_and_dark_in_bone():
    truths = judgement.render_ground_truth(SEEN)
    assert len(truths) == judgement.PATIENTS
    for truth in truths:
        assert truth.fracture_mask.sum() > 10 and truth.bone_mask.sum() > 20
        line = np.average(truth.pixels, weights=truth.fracture_mask)
        assert np.average(truth.pixels, weights=truth.bone_mask) - line > 15


@pytest.mark.slow
def test_presets_destroy_nothing_and_wide_ranges_are_warned_of():
    for name, config in PRESETS.items():
        effects = judgement.measure_effects(config, SEEN)
        assert not [effect.warnings for effect in effects if effect.warnings], name
    assert judgement.measure_effects(PRESETS["off"], SEEN) == ()
    for change, said in (
        ({"shift": 0.5}, "of the fracture's pixels leave the image"),
        ({"contrast": 0.8}, "of its contrast"),
        ({"brightness": (0.0, 0.7)}, "plain black or white"),
        ({"noise": 0.5}, "of its contrast"),
    ):
        config = replace(PRESETS["off"], **change)
        effects = judgement.measure_effects(config, SEEN)
        warned = [warning for effect in effects for warning in effect.warnings]
        assert any(said in warning for warning in warned), change
        assert all("(slices: " in warning for warning in warned)  # no number without its doubt
    both = judgement.measure_effects(AugmentationConfig(rotation=(5, 20)), SEEN)
    assert [e.value for e in both if e.name == "rotation"] == [5, 20]
    assert both[-1].name == "together" and math.isnan(both[-1].value)


@pytest.fixture
def demonstration(monkeypatch) -> Predictor:
    if not DEMONSTRATION.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    # The home of these tests is another one.
    monkeypatch.setenv("SPINEFRAC_HOME", str(DEMONSTRATION.parents[1]))
    return Predictor(repository.load(DEMONSTRATION.name))


def test_the_spread_of_a_model_is_that_of_its_answers(demonstration, shared_slice):
    spread = judgement.measure_prediction_spread(
        demonstration, shared_slice, PRESETS["strong"], seed=2, samples=16
    )
    assert spread.original_probability == pytest.approx(
        demonstration.predict(shared_slice).probability
    )
    assert len(spread.probabilities) == 16 and len(set(spread.probabilities)) > 10
    side = spread.original_probability >= spread.threshold
    assert spread.threshold_crossings == sum(
        (p >= spread.threshold) != side for p in spread.probabilities
    )
    low, high = spread.crossing_share_ci
    assert low <= spread.threshold_crossings / 16 <= high
    assert ("is not invariant" in spread.sentence) != spread.is_invariant
    again = judgement.measure_prediction_spread(
        demonstration, shared_slice, PRESETS["strong"], seed=2, samples=16
    )
    assert np.array_equal(again.probabilities, spread.probabilities)


def test_what_changes_nothing_leaves_a_model_invariant(demonstration, shared_slice):
    spread = judgement.measure_prediction_spread(
        demonstration, shared_slice, PRESETS["off"], samples=8
    )
    assert spread.is_invariant and "is invariant" in spread.sentence
    assert spread.probabilities == pytest.approx(spread.original_probability)


@pytest.fixture
def shared_slice():
    return imaging.read(ROOT / "spinefrac/ui/samples/fracture-1.dcm")
