"""Figures of a report: round ticks, curves within the axes."""

import numpy as np
import pytest

from spinefrac.report import figures


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.1, 0.5, [0, 0.2, 0.4]),
        (0, 25, [0, 5, 10, 15, 20, 25]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    found = figures._tick_positions(low, high)
    assert set(ticks) <= set(found) and 3 <= len(found) <= 8
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


def test_a_curve_outside_the_axes_stays_within_the_drawing() -> None:
    plot = figures.Plot("x", "y", y_range=(0.0, 1.0))
    plot.line(np.array([0.0, 0.5, 1.0]), np.array([-3.0, 0.5, 9.0]), "#2b84a6")
    points = plot.drawing.contents[-1].points
    assert all(0 <= x <= figures.WIDTH for x in points[::2])
    assert all(0 <= y <= figures.HEIGHT for y in points[1::2])
