"""One title a metric, and numbers as people read them."""

import doctest

import pytest

from spinefrac import wording
from spinefrac.evaluation.metric_kernels import METRIC_NAMES
from spinefrac.wording import NARROW_NBSP


def test_every_metric_has_its_words():
    assert set(wording.METRICS) == set(METRIC_NAMES)
    for words in wording.METRICS.values():
        assert words.title and words.short_title and words.description.endswith(".")
    titles = [words.title for words in wording.METRICS.values()]
    assert len(set(titles)) == len(titles)


def test_the_errors_are_those_where_less_is_better():
    lower = {key for key, words in wording.METRICS.items() if words.lower_is_better}
    assert lower == {"brier", "log_loss", "ece"}


def test_the_examples_hold():
    assert doctest.testmod(wording).failed == 0


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.004, "< 1 %"), (0.9951, "> 99 %"), (0.5, "50 %")],
)
def test_what_is_not_certain_is_never_shown_as_certain(share, text):
    assert wording.format_percent(share) == text.replace(" ", NARROW_NBSP)


def test_one_decimal_keeps_the_rule():
    assert wording.format_percent(0.99999, digits=1) == "> 99.9 %".replace(" ", NARROW_NBSP)
    assert wording.format_percent(0.00001, digits=1) == "< 0.1 %".replace(" ", NARROW_NBSP)


def test_a_metric_is_shown_in_per_cent_only_where_it_is_a_share():
    assert wording.format_metric("recall", 0.88, (0.8, 0.93)) == (
        f"88{NARROW_NBSP}% (80 to 93{NARROW_NBSP}%)"
    )
    assert wording.format_metric("auc", 0.88, (0.8, 0.93)) == "0.88 (0.80 to 0.93)"
    assert wording.format_metric("recall", None) == "not defined"


def test_each_verdict_has_its_own_sentence():
    verdicts = ("ok", "caution", "unusable", None)
    assert len({wording.describe_audit(verdict) for verdict in verdicts}) == 4
    assert wording.describe_audit("of a later version") == wording.NOT_AUDITED


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "0 s"), (89, "89 s"), (100, "2 min"), (5400, "1 h 30 min"), (86400, "24 h")],
)
def test_durations(seconds: float, expected: str) -> None:
    assert wording.format_duration(seconds) == expected


def test_fewer_folds_than_usual_are_explained() -> None:
    assert wording.explain_fewer_folds(5, 5) == ""
    assert wording.explain_fewer_folds(4, 5).startswith("4 folds, not 5: the most that keep whole")
