"""Label errors by out-of-fold answers: planted ones are ranked first."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spinefrac.audit import label_errors
from spinefrac.errors import ModelError
from spinefrac.records import OutOfFoldPredictions


def answers(n: int = 400, wrong: int = 12) -> tuple[OutOfFoldPredictions, set[str]]:
    """Well separated answers, some labels of which are turned round."""
    generator = np.random.default_rng(0)
    truth = np.arange(n) % 2
    logits = 5.0 * (2 * truth - 1) + generator.normal(0, 1, n)
    labels = truth.copy()
    flipped = generator.choice(n, wrong, replace=False)
    labels[flipped] = 1 - labels[flipped]
    paths = tuple(f"s{i:03}.png" for i in range(n))
    oof = OutOfFoldPredictions(
        paths,
        np.array([f"P{i // 8}" for i in range(n)]),
        labels,
        np.arange(n) // 8 % 5,
        logits,
        1 / (1 + np.exp(-logits)),
    )
    return oof, {paths[i] for i in flipped}


def model(oof: OutOfFoldPredictions, measured: bool = True):
    data = SimpleNamespace(fingerprint="f" * 64)
    return SimpleNamespace(
        id="mine",
        has_out_of_fold=measured,
        data=data,
        load_out_of_fold=lambda: oof,
        require_slices=lambda: None,
    )


def test_planted_label_errors_come_first():
    oof, wrong = answers()
    found = label_errors.suspects_from_model(model(oof), "f" * 64)
    assert {entry.path for entry in found[: len(wrong)]} == wrong
    assert found[0].quality < 0.1
    assert [entry.quality for entry in found] == sorted(entry.quality for entry in found)


def test_only_a_model_of_this_very_folder_says_anything():
    oof, _ = answers()
    with pytest.raises(ModelError, match="not out-of-fold"):
        label_errors.suspects_from_model(model(oof), "e" * 64)
    with pytest.raises(ModelError, match="not out-of-fold"):
        label_errors.suspects_from_model(model(oof, measured=False), "f" * 64)


def test_one_class_contradicts_nothing():
    oof, _ = answers()
    one = replace(oof, labels=np.zeros_like(oof.labels))
    assert label_errors.suspects_from_model(model(one), "f" * 64) == ()
