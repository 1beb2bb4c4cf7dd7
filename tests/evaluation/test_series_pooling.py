"""The score of a series, against the definition written out, and its record per patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spinefrac.evaluation import series_pooling
from tests.support.out_of_fold import FRACTURED, rsna_name, rsna_out_of_fold


def test_the_score_is_the_highest_mean_of_neighbours() -> None:
    rng = np.random.default_rng(0)
    for count in (3, 4, 17, 300):
        values = rng.random(count)
        means = [values[i : i + 3].mean() for i in range(count - 2)]
        score, middle = series_pooling.pool_series(values)
        assert score == pytest.approx(max(means))
        assert middle == int(np.argmax(means)) + 1


def test_one_high_slice_alone_does_not_make_a_series_high() -> None:
    alone, run = np.full(50, 0.1), np.full(50, 0.1)
    alone[20] = 1.0
    run[20:23] = 0.7
    assert series_pooling.pool_series(alone)[0] == pytest.approx(0.4)
    assert series_pooling.pool_series(run) == (pytest.approx(0.7), 21)


def test_slices_without_an_answer_are_stepped_over() -> None:
    score, middle = series_pooling.pool_series([0.9, np.nan, 0.9, np.nan, 0.9, 0.0])
    assert score == pytest.approx(0.9) and middle == 2
    assert series_pooling.pool_series([0.4]) == (0.4, 0)
    assert series_pooling.pool_series([0.2, 0.6])[0] == pytest.approx(0.4)
    nothing, where = series_pooling.pool_series([np.nan, np.nan])
    assert np.isnan(nothing) and where == -1


def padded_name(patient: int, number: int) -> str:
    return f"train_images/1.2.826.0.1.3680043.{patient:04}/{number:04}.dcm"


def class_folder_name(patient: int, number: int) -> str:
    """Slices of one patient lie in two folders."""
    fractured = patient % 2 and number in FRACTURED
    return f"{'fracture' if fractured else 'normal'}/P{patient}_{number}.png"


@pytest.mark.parametrize("name", [rsna_name, padded_name, class_folder_name])
def test_the_record_is_the_same_however_slices_are_named(name: Callable[[int, int], str]) -> None:
    record = series_pooling.evaluate_series_score(rsna_out_of_fold(24, name=name), n_resamples=50)
    assert record is not None
    assert record.metrics.n == record.metrics.groups == 24 and record.median_slices == 14
    assert record.metrics.auc == record.metrics.recall == record.metrics.specificity == 1.0
    # Out of order, neighbours would be single false positives, and fractures would be apart.
    assert 0.45 < record.threshold < 0.95


def test_saved_positions_precede_names() -> None:
    """A scanner counts from the head or the feet, and names need not follow."""
    oof = rsna_out_of_fold(24, name=lambda patient, number: f"{patient}/{37 * number % 101}.dcm")
    by_name = series_pooling.evaluate_series_score(oof, n_resamples=0)
    position = {37 * number % 101: number for number in range(1, 24)}
    positions = tuple(position[int(path.split("/")[1][:-4])] for path in oof.paths)
    by_position = series_pooling.evaluate_series_score(
        replace(oof, positions=positions), n_resamples=0
    )
    assert by_name is not None and by_position is not None
    assert by_position.metrics.auc == 1.0 > (by_name.metrics.auc or 0)


def test_two_series_of_a_patient_are_scored_apart() -> None:
    """Interleaved by position, one high slice of each would look like neighbours."""
    oof = rsna_out_of_fold(24)
    numbers = [int(path.rpartition("/")[2][:-4]) for path in oof.paths]
    twice = replace(
        oof,
        paths=oof.paths + oof.paths,
        groups=np.concatenate([oof.groups] * 2),
        labels=np.concatenate([oof.labels] * 2),
        folds=np.concatenate([oof.folds] * 2),
        logits=np.concatenate([oof.logits] * 2),
        probabilities=np.concatenate([oof.probabilities] * 2),
        positions=tuple(numbers) * 2,
        subgroups={"series": ("soft",) * len(numbers) + ("bone",) * len(numbers)},
    )
    record = series_pooling.evaluate_series_score(twice, n_resamples=0)
    assert record is not None
    assert (record.metrics.n, record.metrics.groups) == (48, 24)
    assert record.metrics.auc == 1.0


@pytest.mark.parametrize("patients", [8, 12, 18])
def test_few_patients_have_no_record(patients: int) -> None:
    assert series_pooling.evaluate_series_score(rsna_out_of_fold(patients)) is None


def test_one_class_or_short_series_have_no_record() -> None:
    oof = rsna_out_of_fold(40)
    healthy = replace(oof, labels=np.zeros_like(oof.labels))
    assert series_pooling.evaluate_series_score(healthy) is None
    pairs = replace(oof, groups=np.array([f"g{row // 2}" for row in range(len(oof.paths))]))
    assert series_pooling.evaluate_series_score(pairs) is None
    nobody = replace(
        oof, paths=(), groups=oof.groups[:0], labels=oof.labels[:0],
        probabilities=oof.probabilities[:0], subgroups={},
    )  # fmt: skip
    assert series_pooling.evaluate_series_score(nobody) is None
