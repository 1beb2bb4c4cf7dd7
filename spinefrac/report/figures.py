"""Figures of a report, drawn as vectors once: SVG in the HTML, the same in the PDF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.curves import CalibrationBin, CurveBand, DecisionCurve
from spinefrac.records import CLASS_NAMES, EpochRecord
from spinefrac.viz.colours import (
    ACCENT_COLOUR,
    MODEL_COLOURS,
    REFERENCE_COLOUR,
    REPORT_COLOURS,
)
from spinefrac.viz.metrics import thin_curve

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing

FloatArray = npt.NDArray[np.float64]

WIDTH, HEIGHT = 245.0, 215.0  # points
_LEFT, _BOTTOM, _RIGHT, _TOP = 40.0, 34.0, 8.0, 8.0
_FONT = "Helvetica"


class Plot:
    """A drawing with axes; curves and marks are in the units of the axes.

    Parameters
    ----------
    x_title, y_title : str
    x_range, y_range : (low, high)
    """

    def __init__(
        self,
        x_title: str,
        y_title: str,
        x_range: tuple[float, float] = (0.0, 1.0),
        y_range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        from reportlab.graphics import shapes

        self._shapes = shapes
        self.drawing: Drawing = shapes.Drawing(WIDTH, HEIGHT)
        self.x_range, self.y_range = x_range, y_range
        self._draw_axes(x_title, y_title)

    def _x(self, value: float) -> float:
        low, high = self.x_range
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        low, high = self.y_range
        value = min(max(value, low), high)
        return _BOTTOM + (value - low) / (high - low) * (HEIGHT - _BOTTOM - _TOP)

    def _draw_axes(self, x_title: str, y_title: str) -> None:
        for ticks, across in (
            (_tick_positions(*self.x_range), True),
            (_tick_positions(*self.y_range), False),
        ):
            for tick in ticks:
                x = self._x(tick) if across else _LEFT
                y = _BOTTOM if across else self._y(tick)
                end = (x, HEIGHT - _TOP) if across else (WIDTH - _RIGHT, y)
                self._add_shape(
                    "Line", x, y, *end, strokeColor=REPORT_COLOURS["grid"], strokeWidth=0.5
                )
                text = f"{tick:g}"
                at = (x, y - 11) if across else (x - 4, y - 2.5)
                self.text(*at, text, anchor="middle" if across else "end")
        self.text((_LEFT + WIDTH - _RIGHT) / 2, 6, x_title, anchor="middle", size=8)
        rotated = self._shapes.Group(
            self._shapes.String(0, 0, y_title, fontName=_FONT, fontSize=8, textAnchor="middle")
        )
        rotated.transform = (0, 1, -1, 0, 11, (_BOTTOM + HEIGHT - _TOP) / 2)
        self.drawing.add(rotated)

    def _add_shape(self, shape: str, *arguments: object, **style: object) -> None:
        from reportlab.lib.colors import HexColor

        colours = {
            name: HexColor(value) if isinstance(value, str) else value
            for name, value in style.items()
        }
        self.drawing.add(getattr(self._shapes, shape)(*arguments, **colours))

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", size: float = 7
    ) -> None:
        """Write text at a position of the drawing, in points."""
        self.drawing.add(
            self._shapes.String(x, y, text, fontName=_FONT, fontSize=size, textAnchor=anchor)
        )

    def line(
        self,
        x: FloatArray,
        y: FloatArray,
        colour: str,
        *,
        width: float = 1.4,
        dash: Sequence[float] | None = None,
    ) -> None:
        """Draw a curve without the points that would fall on the same place."""
        keep = thin_curve(np.asarray(x), np.asarray(y), self.x_range, self.y_range)
        flat = [v for i in keep for v in (self._x(float(x[i])), self._y(float(y[i])))]
        style = {"strokeColor": colour, "strokeWidth": width}
        if dash:
            style["strokeDashArray"] = list(dash)
        self._add_shape("PolyLine", flat, **style)

    def fill_between(self, x: FloatArray, low: FloatArray, high: FloatArray, colour: str) -> None:
        """Fill between two curves."""
        from reportlab.lib.colors import HexColor

        upper = [(self._x(float(a)), self._y(float(b))) for a, b in zip(x, high, strict=True)]
        lower = [(self._x(float(a)), self._y(float(b))) for a, b in zip(x, low, strict=True)][::-1]
        base = HexColor(colour)
        pale = [0.82 + 0.18 * part for part in (base.red, base.green, base.blue)]
        from reportlab.lib.colors import Color

        flat = [value for point in (*upper, *lower) for value in point]
        self._add_shape("Polygon", flat, fillColor=Color(*pale), strokeColor=None)

    def mark(self, x: float, y: float, colour: str, size: float = 3.0) -> None:
        """Draw a dot."""
        self._add_shape(
            "Circle", self._x(x), self._y(y), size, fillColor=colour, strokeColor=colour
        )

    def bar(self, left: float, right: float, height: float, colour: str) -> None:
        """Draw a bar from the bottom of the plot up to `height`."""
        x, top = self._x(left), self._y(height)
        self._add_shape(
            "Rect",
            x,
            _BOTTOM,
            self._x(right) - x,
            top - _BOTTOM,
            fillColor=colour,
            strokeColor=None,
        )

    def legend(self, entries: Sequence[tuple[str, str]], align_right: bool = True) -> None:
        """List names and colours in an upper corner."""
        for row, (name, colour) in enumerate(entries):
            y = HEIGHT - _TOP - 10 - 10 * row
            x = WIDTH - _RIGHT - 84 if align_right else _LEFT + 8
            self._add_shape("Rect", x, y, 8, 5, fillColor=colour, strokeColor=None)
            self.text(x + 12, y - 0.5, name)


def plot_rate_curve(
    x: FloatArray,
    y: FloatArray,
    axis_titles: tuple[str, str],
    chance_level: tuple[float, float],
    band: CurveBand | None,
    operating_point: tuple[float, float] | None,
) -> Drawing:
    """Return a ROC or precision-recall curve; `chance_level` is its height at 0 and at 1."""
    plot = Plot(*axis_titles)
    if band is not None:
        plot.fill_between(band.x, band.low, band.high, MODEL_COLOURS[0])
    plot.line(
        np.array([0.0, 1.0]), np.array(chance_level), REFERENCE_COLOUR, width=0.8, dash=(2, 2)
    )
    plot.line(x, y, MODEL_COLOURS[0])
    if operating_point is not None:
        plot.mark(*operating_point, ACCENT_COLOUR, 3.5)
    return plot.drawing


def plot_calibration_curve(bins: Sequence[CalibrationBin]) -> Drawing:
    """Return the reliability diagram: observed against predicted shares, with their intervals."""
    plot = Plot("predicted probability", "observed share of fractures")
    unit = np.array([0.0, 1.0])
    plot.line(unit, unit, REFERENCE_COLOUR, width=0.8, dash=(2, 2))
    x = np.array([entry.mean_predicted_probability for entry in bins])
    plot.line(
        x, np.array([entry.fraction_of_positives for entry in bins]), MODEL_COLOURS[0], width=1
    )
    for entry in bins:
        if entry.interval:
            whisker = np.array(entry.interval)
            plot.line(
                np.full(2, entry.mean_predicted_probability), whisker, MODEL_COLOURS[0], width=0.8
            )
        plot.mark(
            entry.mean_predicted_probability, entry.fraction_of_positives, MODEL_COLOURS[0], 2.5
        )
    return plot.drawing


def plot_decision_curve(curve: DecisionCurve) -> Drawing:
    """Return the net benefit of the model, of treating all and of treating none."""
    top = max(0.05, float(curve.net_benefit.max()) * 1.1)
    plot = Plot("threshold probability", "net benefit", y_range=(-0.2 * top, top))
    if np.isfinite(curve.low).all():
        plot.fill_between(curve.thresholds, curve.low, curve.high, MODEL_COLOURS[0])
    inside = curve.treat_all >= -0.2 * top
    if inside.any():
        x, y = curve.thresholds[inside], curve.treat_all[inside]
        plot.line(x, y, ACCENT_COLOUR, width=1, dash=(4, 2))
    plot.line(curve.thresholds, np.zeros(len(curve.thresholds)), REFERENCE_COLOUR, width=0.8)
    plot.line(curve.thresholds, curve.net_benefit, MODEL_COLOURS[0])
    plot.legend(
        [
            ("model", MODEL_COLOURS[0]),
            ("treat all", ACCENT_COLOUR),
            ("treat none", REFERENCE_COLOUR),
        ]
    )
    return plot.drawing


def plot_score_histogram(
    y_true: npt.NDArray[np.int64], y_score: FloatArray, threshold: float
) -> Drawing:
    """Return a histogram of the probabilities of both classes."""
    edges = np.linspace(0, 1, 21)
    counts = [np.histogram(y_score[y_true == label], edges)[0] for label in (0, 1)]
    top = float(max(part.max() for part in counts)) * 1.15 or 1.0
    plot = Plot("probability of fracture", "slices", y_range=(0.0, top))
    half = 0.022
    for label, part in enumerate(counts):
        for left, count in zip(edges[:-1], part, strict=True):
            start = float(left) + 0.003 + half * label
            plot.bar(start, start + half, float(count), MODEL_COLOURS[label])
    plot.line(np.full(2, threshold), np.array([0.0, top]), REFERENCE_COLOUR, width=1, dash=(2, 2))
    plot.legend(list(zip(CLASS_NAMES, MODEL_COLOURS, strict=False)), align_right=threshold < 0.5)
    return plot.drawing


def plot_training_history(history: Sequence[EpochRecord]) -> Drawing:
    """Return the training and validation loss of every fold."""
    values = [v for r in history for v in (r.loss, r.val_loss) if np.isfinite(v)]
    last = max(record.epoch for record in history)
    plot = Plot(
        "epoch", "loss", (0.0, float(last)), (0.0, float(np.quantile(values, 0.995)) * 1.05)
    )
    for fold in sorted({record.fold for record in history}):
        mine = [record for record in history if record.fold == fold]
        epochs = np.array([record.epoch for record in mine], np.float64)
        for name, colour in (("loss", MODEL_COLOURS[0]), ("val_loss", MODEL_COLOURS[1])):
            losses = np.nan_to_num([getattr(record, name) for record in mine], nan=0.0)
            plot.line(epochs, losses, colour, width=0.8)
    plot.legend([("training", MODEL_COLOURS[0]), ("validation", MODEL_COLOURS[1])])
    return plot.drawing


def _tick_positions(low: float, high: float) -> list[float]:
    """Return about five round numbers within a range."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = np.ceil(low / step - 1e-9)
    last = np.floor(high / step + 1e-9)
    # Adding zero makes -0 a plain one.
    return [round(float(step * n), 10) + 0.0 for n in np.arange(first, last + 1)]
