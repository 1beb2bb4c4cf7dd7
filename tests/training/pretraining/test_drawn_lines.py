"""Drawn lines: what is drawn, and that learning them looks at nothing but training slices."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.errors import Cancelled
from spinefrac.training import networks
from spinefrac.training.keras_logits import predict_logits
from spinefrac.training.pretraining import drawn_lines
from spinefrac.training.workspace import RunWorkspace

STEPS = 4


def taught(
    plan: RunWorkspace, rows: np.ndarray, steps: int = STEPS
) -> tuple[list[np.ndarray], list]:
    plan = replace(plan, settings=replace(plan.settings, line_steps=steps, epochs=99))
    model = networks.build_network("compact", plan.settings.preprocessing.size, seed=3)
    told: list[tuple[int, int]] = []
    losses = drawn_lines.pretrain_on_lines(
        model, plan, rows, seed=3, progress=lambda *done: told.append(done)
    )
    assert told == [(step + 1, len(losses)) for step in range(len(losses))]
    return model.get_weights(), losses


def test_lines_darken_where_the_mask_says_and_nowhere_else():
    pixels = np.full((96, 96), 60, np.uint8)
    pixels[20:80, 20:80] = 200
    for seed in range(20):
        drawn, mask = drawn_lines.draw_lines(pixels, np.random.default_rng(seed))
        change = pixels.astype(int) - drawn
        assert change.min() >= 0 and mask.any() and mask.mean() < 0.2
        assert (change[mask == 1] >= 6).all()  # 0.4 of the faintest line
        assert mask[18:82, 18:82].any()  # starts on the bright square
        again = drawn_lines.draw_lines(pixels, np.random.default_rng(seed))
        assert np.array_equal(again[0], drawn) and np.array_equal(again[1], mask)


@pytest.mark.usefixtures("eager")
def test_only_the_pictures_of_training_rows_are_looked_at(plan):
    rows = np.flatnonzero(plan.folds != 0)
    weights, _ = taught(plan, rows)
    inputs = plan.inputs.copy()
    inputs[plan.folds == 0] = 255 - inputs[plan.folds == 0]
    blind, _ = taught(replace(plan, inputs=inputs, labels=1 - plan.labels), rows)
    assert all(np.array_equal(a, b) for a, b in zip(weights, blind, strict=True))
    other, _ = taught(plan, np.flatnonzero(plan.folds == 0))
    assert not all(np.array_equal(a, b) for a, b in zip(weights, other, strict=True))


@pytest.mark.slow
def test_the_network_learns_where_lines_are(plan):
    rows = np.arange(len(plan.labels))
    rng = np.random.default_rng(0)
    masks = [drawn_lines._make_batch(plan, rows, step, rng, (16, 16))[1] for step in range(40)]
    share = np.mean(masks)
    knowing_nothing = -share * np.log(share) - (1 - share) * np.log(1 - share)
    _, losses = taught(plan, rows, steps=160)
    assert np.mean(losses[-20:]) < 0.75 * knowing_nothing


@pytest.mark.usefixtures("eager")
def test_the_logit_begins_as_the_evidence_of_lines(plan):
    settings = replace(plan.settings, line_steps=STEPS, epochs=99)
    model = networks.build_network("compact", plan.settings.preprocessing.size, seed=3)
    before = model.get_layer("logit").get_weights()[0]
    drawn_lines.pretrain_on_lines(model, replace(plan, settings=settings), np.arange(48), seed=3)
    answers = predict_logits(model, plan.inputs)
    assert abs(answers.mean()) < 1e-3 and abs(answers.std() - 1) < 1e-3
    averages, maxima = np.split(model.get_layer("logit").get_weights()[0], 2)
    assert not averages.any() and maxima.any() and not np.array_equal(before[32:], maxima)


@pytest.mark.usefixtures("eager")
def test_there_is_no_more_of_it_than_of_the_training(plan):
    plan = replace(plan, settings=replace(plan.settings, line_steps=700))
    model = networks.build_network("compact", plan.settings.preprocessing.size)
    losses = drawn_lines.pretrain_on_lines(model, plan, np.arange(24), seed=0)
    assert len(losses) == plan.settings.epochs * 3 < plan.settings.line_steps


@pytest.mark.usefixtures("eager")
def test_cancel_is_felt_at_the_next_batch(plan):
    asked = []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) == 3

    plan = replace(plan, settings=replace(plan.settings, line_steps=STEPS))
    model = networks.build_network("compact", plan.settings.preprocessing.size)
    with pytest.raises(Cancelled):
        drawn_lines.pretrain_on_lines(model, plan, np.arange(24), 0, cancelled)
    assert len(asked) == 3
