"""The command that makes the weights: from nothing to file and card, and on from where it was."""

import json
from dataclasses import replace

import numpy as np

from spinefrac.training import networks, shipped_weights
from spinefrac.training.pretraining import __main__ as command
from spinefrac.training.pretraining.phantom_masks import PretrainingSettings
from spinefrac.training.pretraining.phantom_slices import PhantomSource

PLAN = command.Plan(
    training=(PhantomSource("easy", 9_150_094, patients=4, step=3),),
    curve=(PhantomSource("easy", 9_150_095, patients=4, step=6),),
    figures=(PhantomSource("easy", 9_150_096, patients=4, step=6),),
    settings=PretrainingSettings(size=32, crop=16, epochs=2, whole_epochs=1),
)


def test_weights_and_card_are_made_and_a_second_call_trains_no_more(tmp_path, monkeypatch, capsys):
    work, out = tmp_path / "work", tmp_path / "out"
    command.make_weights(PLAN, work, out, workers=1)
    monkeypatch.setattr(shipped_weights, "FOLDER", out)
    weights = shipped_weights.read_weights.__wrapped__(command.NAME)
    networks.build_network("compact", 32).set_weights(weights)
    card = json.loads((out / "compact-spine.json").read_text())
    assert card["training"][0]["seed"] == 9_150_094 and card["settings"]["epochs"] == 2
    assert [epoch["epoch"] for epoch in card["history"]] == [1, 2]
    assert card["figures"]["easy"]["patients"] == 4
    assert "epoch 2: loss" in capsys.readouterr().err
    command.make_weights(PLAN, work, out, workers=1)
    again = capsys.readouterr().err
    assert "rendered" not in again and "epoch" not in again
    for one, other in zip(
        shipped_weights.read_weights.__wrapped__(command.NAME), weights, strict=True
    ):
        assert np.array_equal(one, other)
    # Another plan has a checkpoint of its own.
    longer = replace(PLAN, settings=replace(PLAN.settings, seed=1))
    assert command._fingerprint(longer) != command._fingerprint(PLAN)
