"""The command that makes the weights: from nothing to file and card, and on from where it was."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spinefrac.training import networks, shipped_weights
from spinefrac.training.pretraining import __main__ as command
from spinefrac.training.pretraining.phantom_masks import PretrainingSettings
from spinefrac.training.pretraining.phantom_slices import PhantomSource

SOURCES = (PhantomSource("easy", 9_150_094, patients=4, step=3),)
FIRST = PretrainingSettings(size=32, crop=16, epochs=1, whole_epochs=1)
PLAN = command.Plan(
    stages=(
        command.Stage(SOURCES, FIRST),
        command.Stage(SOURCES, replace(FIRST, size=40, crop=24, epochs=2, seed=1)),
    ),
    curve=(PhantomSource("easy", 9_150_095, patients=4, step=6),),
    figures=(PhantomSource("easy", 9_150_096, patients=4, step=6),),
)


@pytest.mark.usefixtures("eager")
def test_weights_and_card_are_made_and_a_second_call_trains_no_more(tmp_path, monkeypatch, capsys):
    work, out = tmp_path / "work", tmp_path / "out"
    command.make_weights(PLAN, work, out, workers=1)
    monkeypatch.setattr(shipped_weights, "FOLDER", out)
    weights = shipped_weights.read_weights.__wrapped__(command.NAME)
    networks.build_network("compact", 32).set_weights(weights)
    card = json.loads((out / "compact-spine.json").read_text())
    assert [stage["settings"]["size"] for stage in card["stages"]] == [32, 40]
    assert card["stages"][1]["training"][0]["seed"] == 9_150_094 and card["size"] == 40
    assert [epoch["epoch"] for epoch in card["stages"][1]["history"]] == [1, 2]
    assert card["figures"]["easy"]["patients"] == 4
    assert "epoch 2: loss" in capsys.readouterr().err
    command.make_weights(PLAN, work, out, workers=1)
    again = capsys.readouterr().err
    assert "rendered" not in again and "epoch" not in again
    for one, other in zip(
        shipped_weights.read_weights.__wrapped__(command.NAME), weights, strict=True
    ):
        assert np.array_equal(one, other)
    # Other stages have checkpoints of their own.
    fingerprints = [command._fingerprint(PLAN.stages[:n]) for n in (1, 2)]
    assert fingerprints[0] != fingerprints[1]
