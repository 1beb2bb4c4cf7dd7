"""The measurements rest on known fractures: moved, hidden and clipped by known amounts."""

import math
from dataclasses import replace

import numpy as np
import pytest

from spinefrac import imaging, settings
from spinefrac.inference.predictor import Predictor
from spinefrac.records import Preprocessing
from spinefrac.store import repository
from spinefrac.training.augmentation import diagnostics as judgement
from spinefrac.training.augmentation.config import PRESETS, AugmentationConfig
from spinefrac.training.augmentation.diagnostics import Truth
from spinefrac.training.augmentation.transforms import Draw

DEMONSTRATION = settings.models_dir() / "phantom-demo"
SEEN = Preprocessing()


def bar(side: int = 100) -> Truth:
    """A dark line, columns 90 and 91, in bone of 200 on grey 100."""
    pixels = np.full((side, side), 100, np.uint8)
    pixels[:, 80:] = np.where((np.indices((side, 20)).sum(0) % 2)[..., None], 210, 190)[..., 0]
    fracture, beside = np.zeros((2, side, side), np.float32)
    pixels[:, 90:92] = 120
    fracture[:, 90:92] = 1
    beside[:, 84:88] = beside[:, 94:98] = 1
    return Truth(pixels, fracture, beside)


@pytest.mark.parametrize(
    ("draw", "lost"),
    [
        (Draw(), 0),
        (Draw(shift=(8, 0)), 0),
        (Draw(shift=(9, 0)), 0.5),  # one of two columns is out
        (Draw(shift=(10, 0)), 1),
        (Draw(shift=(-95, 0)), 1),
        (Draw(shift=(0, 25)), 0.25),
        (Draw(flip=True, shift=(8, 0)), 0),
        (Draw(flip=True, shift=(-10, 0)), 1),
        (Draw(zoom=1.0), 1),
        (Draw(rotation=180), 0),
    ],
)
def test_the_share_that_leaves_the_picture_is_counted(draw, lost):
    assert judgement.lost_share(bar(), draw) == pytest.approx(lost)


def test_contrast_is_that_of_the_line_against_the_bone_beside_it():
    truth = bar()
    assert judgement.line_kept(truth, Draw()) == pytest.approx((1, 1))
    contrast, visibility = judgement.line_kept(truth, Draw(contrast=-0.75))
    assert contrast == pytest.approx(0.25, abs=0.02) and visibility == pytest.approx(1, abs=0.1)
    contrast, visibility = judgement.line_kept(truth, Draw(noise=40.0))
    assert contrast > 0.8 and visibility < 0.4  # noise hides it and takes none of its contrast
    assert judgement.line_kept(truth, Draw(brightness=255.0)) == (0, 0)
    moved, _ = judgement.line_kept(truth, Draw(flip=True, shift=(5, 0)))
    assert moved == pytest.approx(1)  # line and bone are followed to where they went
    assert all(map(math.isnan, judgement.line_kept(truth, Draw(shift=(10, 0)))))


def test_clipped_are_values_that_had_something_to_lose():
    pixels = np.zeros((10, 10), np.uint8)
    pixels[:4], pixels[4] = 200, 100
    assert judgement.clipped_share(pixels, Draw(brightness=-50.0)) == 0  # black stays black
    assert judgement.clipped_share(pixels, Draw(brightness=60.0)) == pytest.approx(0.8)
    assert judgement.clipped_share(pixels, Draw(rotation=30)) == 0


@pytest.mark.slow
def test_every_truth_has_its_fracture_in_the_picture_and_dark_in_bone():
    truths = judgement.truths(SEEN)
    assert len(truths) == judgement.PATIENTS
    for truth in truths:
        assert truth.fracture.sum() > 10 and truth.beside.sum() > 20
        line = np.average(truth.pixels, weights=truth.fracture)
        assert np.average(truth.pixels, weights=truth.beside) - line > 15


@pytest.mark.slow
def test_presets_destroy_nothing_and_wide_ranges_are_warned_of():
    for name, config in PRESETS.items():
        effects = judgement.judge(config, SEEN)
        assert not [effect.warnings for effect in effects if effect.warnings], name
    assert judgement.judge(PRESETS["off"], SEEN) == ()
    for change, said in (
        ({"shift": 0.5}, "of the fracture's pixels leave the picture"),
        ({"contrast": 0.8}, "of its contrast"),
        ({"brightness": (0.0, 0.7)}, "plain black or white"),
        ({"noise": 0.5}, "of its contrast"),
    ):
        config = replace(PRESETS["off"], **change)
        effects = judgement.judge(config, SEEN)
        warned = [warning for effect in effects for warning in effect.warnings]
        assert any(said in warning for warning in warned), change
        assert all("(slices: " in warning for warning in warned)  # no number without its doubt
    both = judgement.judge(AugmentationConfig(rotation=(5, 20)), SEEN)
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
    spread = judgement.spread(demonstration, shared_slice, PRESETS["strong"], seed=2, draws=16)
    assert spread.unchanged == pytest.approx(demonstration.predict(shared_slice).probability)
    assert len(spread.probabilities) == 16 and len(set(spread.probabilities)) > 10
    side = spread.unchanged >= spread.threshold
    assert spread.crossed == sum((p >= spread.threshold) != side for p in spread.probabilities)
    low, high = spread.crossed_interval
    assert low <= spread.crossed / 16 <= high
    assert ("is not invariant" in spread.sentence) != spread.invariant
    again = judgement.spread(demonstration, shared_slice, PRESETS["strong"], seed=2, draws=16)
    assert np.array_equal(again.probabilities, spread.probabilities)


def test_what_changes_nothing_leaves_a_model_invariant(demonstration, shared_slice):
    spread = judgement.spread(demonstration, shared_slice, PRESETS["off"], draws=8)
    assert spread.invariant and "is invariant" in spread.sentence
    assert spread.probabilities == pytest.approx(spread.unchanged)


@pytest.fixture
def shared_slice():
    return imaging.read(settings._CHECKOUT / "spinefrac/ui/samples/fracture-1.dcm")
