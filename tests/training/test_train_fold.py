"""One fold: reproducible, and blind to the slices that it is scored on."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.errors import Cancelled, TrainingError
from spinefrac.training import networks, shipped_weights
from spinefrac.training import train_fold as train_fold_module
from spinefrac.training.keras_logits import predict_logits
from spinefrac.training.train_fold import FitCallbacks, train_fold
from tests.training.conftest import run_eagerly


@pytest.fixture(scope="module")
def trained(module_plan):
    """Fold 0 of the plan, trained once for this module; and the epochs it reported."""
    seen = []
    with run_eagerly():
        return train_fold(module_plan, 0, FitCallbacks(on_epoch=seen.append)), seen


@pytest.mark.usefixtures("eager")
def test_a_fold_scores_what_it_held_out_and_leaves_its_weights(module_plan, trained):
    result, seen = trained
    assert result.rows.tolist() == np.flatnonzero(module_plan.folds == 0).tolist()
    assert np.isfinite(result.logits).all() and result.logits.shape == (24,)
    assert [record.epoch for record in seen] == [1, 2] and tuple(seen) == result.history
    module_plan.write_result(result)
    again = module_plan.read_result(0)
    assert again.history == result.history and np.array_equal(again.logits, result.logits)
    portable = networks.build_network("compact", 32)
    portable.load_weights(result.weights)
    assert np.allclose(
        predict_logits(portable, module_plan.inputs[result.rows]), result.logits, atol=1e-5
    )


@pytest.mark.usefixtures("eager")
def test_the_labels_that_are_scored_decide_nothing(plan, trained):
    """Trained again with the held-out labels turned round: equal answers, to the last bit."""
    turned = replace(plan, labels=np.where(plan.folds == 0, 1 - plan.labels, plan.labels))
    assert np.array_equal(train_fold(turned, 0).logits, trained[0].logits)


def test_compact_starts_from_the_weights_of_the_package(plan):
    """Unless others are named; a fold's seed then decides the order of the slices only."""
    automatic = replace(plan, settings=replace(plan.settings, weights=None))
    one, other = (train_fold_module.build_initial_network(automatic, fold) for fold in (0, 1))
    spine = shipped_weights.read_weights("compact-spine")
    for values in zip(one.get_weights(), other.get_weights(), spine, strict=True):
        assert all(np.array_equal(values[0], same) for same in values[1:])
    drawn = train_fold_module.build_initial_network(plan, 0)
    assert not np.array_equal(drawn.get_weights()[0], spine[0])


@pytest.mark.usefixtures("eager")
def test_another_seed_gives_other_answers(plan, trained):
    other = replace(plan, settings=replace(plan.settings, seed=1))
    assert not np.allclose(train_fold(other, 0).logits, trained[0].logits)


@pytest.mark.slow
def test_early_stopping_looks_at_the_inner_holdout_only(plan):
    plan = replace(plan, settings=replace(plan.settings, early_stopping=True, patience=1))
    turned = replace(plan, labels=np.where(plan.folds == 0, 1 - plan.labels, plan.labels))
    assert np.array_equal(train_fold(plan, 0).logits, train_fold(turned, 0).logits)


@pytest.mark.slow
def test_early_stopping_goes_back_to_the_best_epoch(plan):
    settings = replace(plan.settings, early_stopping=True, patience=1, epochs=12, learning_rate=0.9)
    result = train_fold(replace(plan, settings=settings), 0)
    assert len(result.history) < 12


@pytest.mark.slow
def test_it_learns(plan):
    settings = replace(plan.settings, epochs=12)
    result = train_fold(replace(plan, settings=settings), 0)
    assert result.history[-1].loss < 0.5 * result.history[0].loss
    assert result.history[-1].val_auc > 0.9


@pytest.mark.usefixtures("eager")
def test_cancel_is_felt_at_the_next_batch(plan):
    asked = []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) == 2

    with pytest.raises(Cancelled):
        train_fold(plan, 0, FitCallbacks(is_cancelled=cancelled))
    assert len(asked) == 2 and not plan.weights_path(0).exists()


@pytest.mark.usefixtures("eager")
def test_a_loss_that_is_no_number_is_said(plan, monkeypatch):
    nothing = np.full(2, np.nan, np.float32)
    monkeypatch.setattr(
        "spinefrac.training.train_fold._compute_class_weights", lambda labels, wanted: nothing
    )
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train_fold(plan, 0)


@pytest.mark.slow
def test_each_epoch_of_a_head_is_one_variant_more_and_resumes(plan):
    changes = {"network": "compact_lite0", "weights": "spine", "epochs": 3}
    heads = replace(plan, settings=plan.settings.with_values(changes))
    seen, batches = [], []
    callbacks = FitCallbacks(
        on_epoch=seen.append,
        on_batch=lambda *position: batches.append(position),
        is_cancelled=lambda: len(seen) == 2,
    )
    with pytest.raises(Cancelled):
        train_fold(heads, 0, callbacks, save_checkpoints=True)
    assert {epoch for epoch, _, _ in batches} == {1, 2}
    resumed = train_fold(heads, 0, save_checkpoints=True)
    assert [record.epoch for record in resumed.history] == [1, 2, 3]
    assert resumed.history[:2] == tuple(seen)
    whole = train_fold(heads, 0)
    assert np.array_equal(whole.logits, resumed.logits)
    assert [r.val_loss for r in whole.history] == [r.val_loss for r in resumed.history]
    assert len({record.loss for record in whole.history}) == 3


@pytest.mark.slow
def test_a_head_stops_early_by_the_inner_holdout(plan):
    changes = {"network": "lite0", "weights": None, "epochs": 9, "early_stopping": True}
    heads = replace(plan, settings=plan.settings.with_values({**changes, "patience": 1}))
    result = train_fold(heads, 0)
    assert 1 < len(result.history) < 9
    turned = replace(heads, labels=np.where(plan.folds == 0, 1 - plan.labels, plan.labels))
    assert np.array_equal(train_fold(turned, 0).logits, result.logits)


@pytest.mark.slow
def test_frozen_backbones_keep_their_weights_and_the_head_is_the_first_epoch(plan):
    """Then `compact` is fine-tuned; a fold that was cancelled after the head goes on from there."""
    changes = {"network": "compact_lite0", "weights": "spine", "epochs": 1}
    frozen = replace(plan, settings=plan.settings.with_values(changes))
    (only,) = train_fold(frozen, 0).history
    assert only.epoch == 1 and np.isfinite([only.loss, only.val_loss, only.val_auc]).all()
    kept = networks.build_network("compact_lite0", 32)
    kept.load_weights(plan.weights_path(0))

    seen = []
    thawed = replace(frozen, settings=replace(frozen.settings, thaw=True, epochs=2))
    callbacks = FitCallbacks(on_epoch=seen.append, is_cancelled=lambda: bool(seen))
    with pytest.raises(Cancelled):
        train_fold(thawed, 0, callbacks, save_checkpoints=True)
    head, tuned = train_fold(thawed, 0, save_checkpoints=True).history
    assert [record.epoch for record in (head, tuned)] == [1, 2] and seen == [head]
    assert (head.loss, head.val_auc) == (only.loss, only.val_auc)
    assert 0 < tuned.loss < 1  # the fitted head is where fine-tuning begins
    changed = networks.build_network("compact_lite0", 32)
    changed.load_weights(plan.weights_path(0))
    spine = networks.build_network("compact_lite0", 32, "spine")
    for part, model, is_equal in (
        ("lite0", kept, True),
        ("compact", kept, True),
        ("lite0", changed, True),
        ("compact", changed, False),
    ):
        own, first = (m.get_layer(part).get_weights() for m in (model, spine))
        assert all(map(np.array_equal, own, first)) is is_equal, part
