"""The region check finds a dependence that is there and none that is not."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spinefrac.inference import occlusion
from spinefrac.records import InputCheck, ModelInput, Prediction, Square
from spinefrac.store import repository

SIZE = 80
SAMPLES = Path(__file__).resolve().parents[2] / "spinefrac/ui/samples"


class Reader:
    """Answers from the contrast at one place of the input, or from nothing at all."""

    def __init__(self, where):
        self.where = where
        self.model = SimpleNamespace(temperature=1.0)
        self.batches = []

    def run(self, inputs):
        self.batches.append(len(inputs))
        if self.where is None:
            return np.full((len(inputs), 2), 2.0, np.float32), None
        row, column = self.where
        patch = inputs[:, row - 3 : row + 3, column - 3 : column + 3].astype(np.float64)
        logit = patch.std(axis=(1, 2)) / 10 - 2
        return np.stack([logit, logit], axis=1).astype(np.float32), None


def asked(reader, hot, square=None):
    """A prediction of `reader` on noise whose heat map (slice = input) is hot at `hot`."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 220, (SIZE, SIZE)).astype(np.uint8)
    square = square or Square(0, 0, SIZE)
    side = square.side + 2 * max(square.top, 0)
    heat = np.zeros((side, side), np.float32)
    scale = square.side / SIZE
    heat[round(square.top + hot[0] * scale), round(square.left + hot[1] * scale)] = 1.0
    logits, _ = reader.run(pixels[None])
    probability = 1 / (1 + np.exp(-float(logits.mean())))
    model_input = ModelInput(pixels, square)
    return Prediction("m", probability, 0.5, (0.5,), heat, model_input, InputCheck(1, True), 1.0)


def test_what_the_answer_rests_on_is_found():
    reader = Reader((30, 50))
    found = occlusion.run_occlusion_test(reader, asked(reader, (30, 50)))
    assert found.depends_on_region and found.probability_drop > 0.5
    assert found.summary.startswith("The prediction depends on this region: with it blurred")
    region = found.region
    assert region.top <= 30 < region.top + region.side
    assert region.left <= 50 < region.left + region.side
    assert len(found.random_probabilities) == occlusion.N_RANDOM_REGIONS
    assert max(reader.batches) <= 20


@pytest.mark.parametrize("reader", [Reader((30, 50)), Reader(None)])
def test_a_heat_map_that_points_elsewhere_is_not_believed(reader):
    found = occlusion.run_occlusion_test(reader, asked(reader, (65, 10)))
    assert not found.depends_on_region and found.probability_drop < 0.05
    assert "does not depend on this region" in found.summary


def test_the_region_is_given_in_the_slice_s_own_pixels():
    reader = Reader((30, 50))
    square = Square(40, 40, 2 * SIZE)
    found = occlusion.run_occlusion_test(reader, asked(reader, (30, 50), square))
    centre = found.region.top + found.region.side / 2, found.region.left + found.region.side / 2
    assert np.allclose(centre, (40 + 2 * 30, 40 + 2 * 50), atol=found.region.side / 2)


def test_the_same_picture_is_tried_in_the_same_places():
    reader = Reader((30, 50))
    asked_twice = [occlusion.run_occlusion_test(reader, asked(reader, (30, 50))) for _ in range(2)]
    assert asked_twice[0] == asked_twice[1]


def test_a_black_slice_has_nothing_to_compare_with():
    reader = Reader(None)
    prediction = asked(reader, (30, 50))
    prediction.input.pixels[:] = 0
    found = occlusion.run_occlusion_test(reader, prediction)
    assert not found.depends_on_region and "is not known" in found.summary


def test_the_demonstration_depends_on_what_it_points_at():
    from spinefrac import imaging
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor(repository.DEMO_MODEL_ID)
    found = []
    for name in ("fracture-1.dcm", "fracture-2.png", "fracture-3.dcm"):
        prediction = predictor.predict(imaging.read(SAMPLES / name))
        found.append(occlusion.run_occlusion_test(predictor, prediction))
    assert any(one.depends_on_region and one.probability_drop > 0.1 for one in found)
    for one in found:
        assert (
            one.probability_drop == one.probability - one.occluded_probability
            and len(one.random_probabilities) == occlusion.N_RANDOM_REGIONS
        )


def test_without_a_heat_map_there_is_nothing_to_try():
    reader = Reader(None)
    with pytest.raises(ValueError, match="with a heat map"):
        from dataclasses import replace

        occlusion.run_occlusion_test(reader, replace(asked(reader, (3, 3)), heatmap=None))
