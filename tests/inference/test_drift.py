"""Whether asked slices are still like the training slices."""

from datetime import date, timedelta

import pytest

from spinefrac.inference.drift import LEAST, RECENT, AskedSlice, summarize_drift

START = date(2026, 3, 2)  # a Monday


def ask(grades: str, step_days: int = 0) -> list[AskedSlice]:
    """One slice a letter: l like, u unusual, x unlike."""
    names = {"l": "like", "u": "unusual", "x": "unlike"}
    return [
        AskedSlice(START + timedelta(days=step_days * i), names[letter], 50.0, i % 2 == 0)
        for i, letter in enumerate(grades)
    ]


def test_slices_like_the_training_slices_are_no_drift() -> None:
    drift = summarize_drift(ask("l" * 59 + "u"), 0.02)
    assert drift.is_known and not drift.has_moved
    assert drift.recent.deviating_share == pytest.approx(1 / 60)


def test_another_scanner_is_noticed_though_earlier_slices_were_fine() -> None:
    drift = summarize_drift(ask("l" * 300 + "uuxl" * 15, step_days=1), 0.02)
    assert drift.recent.slices == RECENT and drift.has_moved
    assert len(drift.periods) > 40 and all(one.start.weekday() == 0 for one in drift.periods)
    assert drift.periods[0].deviating_share == 0 < drift.periods[-1].deviating_share


def test_few_slices_say_nothing() -> None:
    drift = summarize_drift(ask("x" * (LEAST - 1)), 0.02)
    assert not drift.is_known and not drift.has_moved
    assert summarize_drift([], 0.02) is None


def test_a_few_false_alarms_are_no_drift_whatever_the_model_states() -> None:
    assert not summarize_drift(ask("l" * 38 + "uu"), 0.0).has_moved
    assert not summarize_drift(ask("l" * 38 + "uu"), None).has_moved
    assert summarize_drift(ask("l" * 20 + "u" * 20), None).has_moved


def test_days_are_shown_where_there_are_few() -> None:
    drift = summarize_drift(ask("lul", step_days=3), 0.02)
    assert [one.start.day for one in drift.periods] == [2, 5, 8]
    assert [one.unusual for one in drift.periods] == [0, 1, 0]
    assert drift.periods[0].fracture == 1 and drift.periods[0].percentile == 50
