"""Whether the slices that a model is asked about are still like those it was trained on.

From the input check of earlier predictions alone: no label and no picture is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

#: Latest slices that are judged, and how many there must be.
RECENT, LEAST = 60, 20
#: Slices of one patient resemble each other, so a few patients alone give a small p-value.
_SIGNIFICANCE = 1e-3
#: How many times the stated false-alarm rate the share has to be at least.
_FACTOR = 3.0
#: Of a model whose false-alarm rate is not known.
_USUAL_RATE = 0.02
_DAYS_OF_WEEKS = 21


@dataclass(frozen=True, slots=True)
class AskedSlice:
    """A slice that a model predicted: day, grade and percentile of its input check, class."""

    day: date
    grade: str
    percentile: float | None
    is_fracture: bool


@dataclass(frozen=True, slots=True)
class Period:
    """Slices of one day, of one week from its Monday on, or the latest ones.

    `unusual` and `unlike` count slices; `percentile` is the median, 50 for slices like those of
    the training, or None where it was not saved.
    """

    start: date
    slices: int
    unusual: int
    unlike: int
    percentile: float | None
    fracture: int

    @property
    def deviating_share(self) -> float:
        """Share that is unusual or unlike."""
        return (self.unusual + self.unlike) / self.slices


@dataclass(frozen=True, slots=True)
class Drift:
    """Slices over time.

    Attributes
    ----------
    periods : tuple of Period
        From the first to the last.
    recent : Period
        The latest `RECENT` slices.
    expected_rate : float
        Share that would be unusual or unlike if they were like the training slices.
    p_value : float
        Of so many or more among the latest ones at that rate.
    """

    periods: tuple[Period, ...]
    recent: Period
    expected_rate: float
    p_value: float

    @property
    def is_known(self) -> bool:
        """Whether there are enough slices to say anything."""
        return self.recent.slices >= LEAST

    @property
    def has_moved(self) -> bool:
        """Whether the latest slices are of another population than the training slices."""
        far = self.recent.deviating_share >= _FACTOR * self.expected_rate
        return self.is_known and far and self.p_value < _SIGNIFICANCE


def summarize_drift(asked: Sequence[AskedSlice], false_alarm_rate: float | None) -> Drift | None:
    """Summarize the slices that a model was asked about.

    Parameters
    ----------
    asked : sequence of AskedSlice
    false_alarm_rate : float or None
        Of the model's input check on new patients; None where it is not known.

    Returns
    -------
    Drift or None
        None where nothing was asked.
    """
    from scipy.stats import binomtest

    if not asked:
        return None
    ordered = sorted(asked, key=lambda one: one.day)
    recent = _summarize(ordered[-RECENT:])
    rate = max(_USUAL_RATE if false_alarm_rate is None else false_alarm_rate, 0.5 * _USUAL_RATE)
    deviating = recent.unusual + recent.unlike
    p_value = float(binomtest(deviating, recent.slices, rate, alternative="greater").pvalue)
    return Drift(tuple(_split(ordered)), recent, rate, p_value)


def _split(ordered: Sequence[AskedSlice]) -> list[Period]:
    """Return the periods: days, or weeks where the slices span several."""
    by_week = (ordered[-1].day - ordered[0].day).days > _DAYS_OF_WEEKS
    groups: dict[date, list[AskedSlice]] = {}
    for one in ordered:
        start = one.day - timedelta(days=one.day.weekday()) if by_week else one.day
        groups.setdefault(start, []).append(one)
    return [_summarize(group, start) for start, group in groups.items()]


def _summarize(group: Sequence[AskedSlice], start: date | None = None) -> Period:
    grades = [one.grade for one in group]
    known = [one.percentile for one in group if one.percentile is not None]
    return Period(
        start=start or group[0].day,
        slices=len(group),
        unusual=grades.count("unusual"),
        unlike=grades.count("unlike"),
        percentile=float(np.median(known)) if known else None,
        fracture=sum(one.is_fracture for one in group),
    )
