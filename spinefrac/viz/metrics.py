"""Metrics as Plotly figures. Nothing is computed here, except which points can be left out.

Colours, fonts and background that are not set here come from the page's theme, light or dark.
Every model has its own colour and its own dash, for people with red-green colour blindness.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.compare import MetricDifference
from spinefrac.evaluation.curves import (
    CalibrationBin,
    CurveBand,
    DecisionCurve,
    PrecisionRecallCurve,
    RocCurve,
)
from spinefrac.records import CLASS_NAMES, EpochRecord
from spinefrac.viz.colours import (
    ACCENT_COLOUR,
    CLASS_COLOURS,
    MODEL_COLOURS,
    REFERENCE_COLOUR,
    THRESHOLD_COLOUR,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FloatArray = npt.NDArray[np.float64]

#: One dash a model, as one colour in `MODEL_COLOURS`.
MODEL_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

#: Style of reference lines.
_REFERENCE_LINE: dict[str, Any] = {
    "mode": "lines",
    "line": {"color": REFERENCE_COLOUR, "dash": "dot", "width": 1},
    "hoverinfo": "skip",
    "showlegend": False,
}

#: Cells of an axis; points of a curve in the same cell fall on the same pixel.
CURVE_RESOLUTION = 500

#: Of every chart: the button that saves it as an image, and no other.
PLOTLY_CONFIG = {
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtonsToRemove": [
        *("zoom2d", "pan2d", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d"),
        *("autoScale2d", "resetScale2d"),
    ],
    "toImageButtonOptions": {"format": "png", "scale": 2},
    "responsive": True,
}


def model_style(index: int) -> tuple[str, str]:
    """Return colour and dash of a model by its index in the choice."""
    return MODEL_COLOURS[index % len(MODEL_COLOURS)], MODEL_DASHES[index % len(MODEL_DASHES)]


def plot_roc_curve(
    curves: Mapping[str, RocCurve],
    band: CurveBand | None = None,
    operating_point: tuple[float, float] | None = None,
) -> Figure:
    """Return ROC curves.

    Parameters
    ----------
    curves : mapping of RocCurve
        By the model's name.
    band : CurveBand, optional
        Spread over folds, of a single model.
    operating_point : (false positive rate, sensitivity), optional
        Where the threshold lies.

    Returns
    -------
    plotly Figure
    """
    figure = _new_rate_figure("1 − specificity (false positive rate)", "sensitivity (recall)")
    figure.add_scatter(x=[0, 1], y=[0, 1], name="chance", **_REFERENCE_LINE)
    _add_band(figure, band)
    for index, (name, curve) in enumerate(curves.items()):
        x, y, thresholds = curve.false_positive_rate, curve.true_positive_rate, curve.thresholds
        drawn = thin_curve(x, y)
        _add_curve(figure, index, name, x[drawn], y[drawn], thresholds[drawn])
    _add_point(figure, operating_point)
    return figure


def plot_precision_recall_curve(
    curves: Mapping[str, PrecisionRecallCurve],
    prevalence: float,
    band: CurveBand | None = None,
    operating_point: tuple[float, float] | None = None,
) -> Figure:
    """Return precision-recall curves, see `plot_roc_curve`; a point is (recall, precision)."""
    figure = _new_rate_figure("sensitivity (recall)", "PPV (precision)")
    figure.add_scatter(x=[0, 1], y=[prevalence] * 2, name="chance", **_REFERENCE_LINE)
    _add_band(figure, band)
    for index, (name, curve) in enumerate(curves.items()):
        drawn = thin_curve(curve.recall, curve.precision)
        x, y, thresholds = curve.recall, curve.precision, curve.thresholds
        _add_curve(figure, index, name, x[drawn], y[drawn], thresholds[drawn], shape="vh")
    _add_point(figure, operating_point)
    return figure


def plot_calibration_curve(curves: Mapping[str, Sequence[CalibrationBin]]) -> Figure:
    """Return reliability diagrams: observed against predicted shares, each with its interval."""
    figure = _new_rate_figure("predicted probability", "observed share of fractures")
    figure.add_scatter(x=[0, 1], y=[0, 1], name="perfect calibration", **_REFERENCE_LINE)
    for index, (name, bins) in enumerate(curves.items()):
        colour, dash = model_style(index)
        whiskers = [
            entry.interval or (entry.fraction_of_positives, entry.fraction_of_positives)
            for entry in bins
        ]
        figure.add_scatter(
            x=[entry.mean_predicted_probability for entry in bins],
            y=[entry.fraction_of_positives for entry in bins],
            customdata=[entry.count for entry in bins],
            error_y={
                "array": [
                    pair[1] - entry.fraction_of_positives
                    for pair, entry in zip(whiskers, bins, strict=True)
                ],
                "arrayminus": [
                    entry.fraction_of_positives - pair[0]
                    for pair, entry in zip(whiskers, bins, strict=True)
                ],
                "thickness": 1.2,
                "width": 4,
            },
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"size": 8},
            hovertemplate="predicted %{x:.2f}, observed %{y:.2f}, %{customdata} slices"
            f"<extra>{name}</extra>",
        )
    figure.update_layout(showlegend=len(curves) > 1)
    return figure


def plot_decision_curve(curves: Mapping[str, DecisionCurve]) -> Figure:
    """Return net benefit against the threshold probability; the band is the 95 % interval."""
    figure = _new_figure("threshold probability", "net benefit")
    one = next(iter(curves.values()))
    top = max(float(np.max(curve.net_benefit)) for curve in curves.values())
    if len(curves) == 1 and np.isfinite(one.low).all():
        _add_area(figure, one.thresholds, one.low, one.high, MODEL_COLOURS[0], "95 % CI")
    for name, y, dash in (("treat all", one.treat_all, "dash"), ("treat none", None, "dot")):
        figure.add_scatter(
            x=one.thresholds,
            y=np.zeros(len(one.thresholds)) if y is None else y,
            name=name,
            mode="lines",
            line={"color": REFERENCE_COLOUR, "dash": dash, "width": 1.5},
            hovertemplate=f"%{{x:.0%}}: %{{y:.3f}}<extra>{name}</extra>",
        )
    for index, (name, curve) in enumerate(curves.items()):
        colour, dash = model_style(index)
        figure.add_scatter(
            x=curve.thresholds,
            y=curve.net_benefit,
            name=name,
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2},
            hovertemplate=f"%{{x:.0%}}: %{{y:.3f}}<extra>{name}</extra>",
        )
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    figure.update_yaxes(range=[-0.15 * max(top, 0.05), 1.1 * max(top, 0.05)])
    return figure


def plot_training_history(history: Sequence[EpochRecord]) -> tuple[Figure, Figure]:
    """Return loss and validation AUC by epoch: mean and range of the folds."""
    loss = _new_figure("epoch", "loss")
    auc = _new_figure("epoch", "validation AUC")
    parts = ((loss, "loss", "training"), (loss, "val_loss", "validation"), (auc, "val_auc", ""))
    for index, (figure, field, name) in enumerate(parts):
        epochs, mean, low, high = _aggregate_folds(history, field)
        colour, dash = model_style(index % 2)
        _add_area(figure, epochs, low, high, colour, "range of the folds")
        figure.add_scatter(
            x=epochs,
            y=mean,
            name=name or "mean of the folds",
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2},
            hovertemplate=f"epoch %{{x}}: %{{y:.3f}}<extra>{name or 'mean'}</extra>",
        )
    return loss, auc


def plot_score_histogram(
    y_true: npt.NDArray[np.int64], y_score: npt.NDArray[np.float64], threshold: float
) -> Figure:
    """Return a histogram of the probabilities of both classes.

    Parameters
    ----------
    y_true : int array, shape (N,)
        1 for fracture, 0 for none.
    y_score : float array, shape (N,)
    threshold : float
        Marked by a line.

    Returns
    -------
    plotly Figure
        Colours, fonts and background are left to the page's theme.
    """
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for label, (name, colour) in enumerate(zip(CLASS_NAMES, CLASS_COLOURS, strict=True)):
        figure.add_histogram(
            x=y_score[y_true == label],
            name=name,
            marker_color=colour,
            xbins={"start": 0.0, "end": 1.0001, "size": 0.05},
            hovertemplate=f"%{{y}} slices<extra>{name}</extra>",
        )
    figure.add_vline(
        x=threshold,
        line={"width": 2, "dash": "dot", "color": THRESHOLD_COLOUR},
        annotation_text="threshold",
    )
    figure.update_layout(
        barmode="group",
        bargap=0.15,
        height=300,
        margin={"l": 0, "r": 0, "t": 24, "b": 0},
        legend={"orientation": "h", "y": 1.12, "x": 0},  # the buttons are on the right
        xaxis={
            "title": "probability of fracture",
            "range": [0, 1.005],
            "dtick": 0.2,
            "tickformat": ".0%",
        },
        yaxis={"title": "slices"},
    )
    return figure


def plot_forest(differences: Mapping[str, MetricDifference], first: str, second: str) -> Figure:
    """Return a forest plot of the differences of two models with their intervals.

    Parameters
    ----------
    differences : mapping of MetricDifference
        By the metric's title; those that are not defined are left out.
    first, second : str
        Differences are the first model's value minus the second's.
    """
    shown = {name: d for name, d in differences.items() if d.value is not None and d.interval}
    figure = _new_figure(f"← higher for {second}   ·   higher for {first} →", "")
    for significant, colour, name in (
        (True, MODEL_COLOURS[0], "interval excludes zero"),
        (False, REFERENCE_COLOUR, "interval includes zero"),
    ):
        rows = {
            title: d
            for title, d in shown.items()
            if (d.interval is not None and d.interval[0] * d.interval[1] > 0) is significant
        }
        if not rows:
            continue
        values = [d.value or 0.0 for d in rows.values()]
        spans = [d.interval or (0.0, 0.0) for d in rows.values()]
        figure.add_scatter(
            x=values,
            y=list(rows),
            name=name,
            mode="markers",
            marker={
                "size": 9,
                "color": colour,
                "symbol": "square" if significant else "circle-open",
            },
            customdata=spans,
            error_x={
                "array": [high - v for v, (_, high) in zip(values, spans, strict=True)],
                "arrayminus": [v - low for v, (low, _) in zip(values, spans, strict=True)],
                "thickness": 1.5,
                "width": 5,
            },
            hovertemplate="%{y}: %{x:+.3f} (%{customdata[0]:+.3f} to %{customdata[1]:+.3f})"
            "<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": REFERENCE_COLOUR, "width": 1, "dash": "dot"})
    figure.update_yaxes(categoryorder="array", categoryarray=list(shown)[::-1])
    figure.update_xaxes(tickformat="+.2f")
    figure.update_layout(height=120 + 34 * max(len(shown), 1))
    return figure


def plot_disagreement_matrix(model_names: Sequence[str], disagreement_rates: FloatArray) -> Figure:
    """Return the share of slices, (M, M), that two models predict differently, as a matrix."""
    figure = _new_figure("", "")
    figure.add_heatmap(
        x=list(model_names),
        y=list(model_names),
        z=disagreement_rates,
        zmin=0.0,
        zmax=max(0.05, float(disagreement_rates.max())),
        texttemplate="%{z:.1%}",
        # Opaque: Plotly chooses the colour of the text by that of the cell.
        colorscale=[[0, "#c9d6dd"], [1, "#1b6179"]],
        showscale=False,
        xgap=4,
        ygap=4,
        hovertemplate="%{x} and %{y}: %{z:.1%} of the slices<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False)
    figure.update_layout(height=110 + 56 * len(model_names), showlegend=False)
    return figure


def thin_curve(
    x: FloatArray,
    y: FloatArray,
    x_range: tuple[float, float] = (0.0, 1.0),
    y_range: tuple[float, float] = (0.0, 1.0),
) -> npt.NDArray[np.int64]:
    """Return which points of a curve to draw: those in another cell of the grid than the last.

    Parameters
    ----------
    x, y : float arrays, shape (N,)
    x_range, y_range : (low, high)
        Of the axes, which `CURVE_RESOLUTION` cells divide.

    Returns
    -------
    int64 array, shape (M,)
        Rows of the points, rising.
    """
    cells = np.stack(
        [
            np.round((values - low) / (high - low) * CURVE_RESOLUTION)
            for values, (low, high) in ((x, x_range), (y, y_range))
        ]
    )
    moved = (np.diff(cells, axis=1) != 0).any(axis=0)
    # The point before each move as well, so that steps keep their corners.
    return np.flatnonzero(np.concatenate([[True], moved]) | np.concatenate([moved, [True]]))


def to_csv(figure: Figure) -> str:
    """Return the values of a figure: one line a point, with the name of its curve."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    titles = [
        (axis.title.text or name)
        for axis, name in ((figure.layout.xaxis, "x"), (figure.layout.yaxis, "y"))
    ]
    if figure.data and figure.data[0].type == "heatmap":
        cells = figure.data[0]
        writer.writerow(["", *cells.x])
        writer.writerows([name, *row] for name, row in zip(cells.y, cells.z, strict=True))
        return text.getvalue()
    writer.writerow(["curve", *titles])
    for trace in figure.data:
        if trace.type == "histogram":
            writer.writerows((trace.name, value, "") for value in trace.x)
        else:
            writer.writerows((trace.name, *pair) for pair in zip(trace.x, trace.y, strict=True))
    return text.getvalue()


# --- pieces ----------------------------------------------------------------------------


def _new_figure(x_title: str, y_title: str) -> Figure:
    from plotly import graph_objects

    return graph_objects.Figure(
        layout={
            "height": 370,
            "margin": {"l": 0, "r": 28, "t": 30, "b": 0},
            # Below the plot: above it are the buttons.
            "legend": {"orientation": "h", "y": -0.24, "yanchor": "top", "x": 0},
            "xaxis": {"title": {"text": x_title}, "zeroline": False, "automargin": True},
            "yaxis": {"title": {"text": y_title}, "zeroline": False, "automargin": True},
            "hovermode": "closest",
            "dragmode": False,
        }
    )


def _new_rate_figure(x_title: str, y_title: str) -> Figure:
    figure = _new_figure(x_title, y_title)
    axis = {"range": [-0.01, 1.01], "tickformat": ".0%", "dtick": 0.2}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def _add_curve(
    figure: Figure,
    index: int,
    name: str,
    x: FloatArray,
    y: FloatArray,
    thresholds: FloatArray,
    shape: str = "linear",
) -> None:
    colour, dash = model_style(index)
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"color": colour, "dash": dash, "width": 2, "shape": shape},
        customdata=np.minimum(thresholds, 1.0),  # the first one is infinite
        hovertemplate="%{y:.0%} at %{x:.0%}, threshold %{customdata:.3f}"
        f"<extra>{name}</extra>",
    )


def _add_band(figure: Figure, band: CurveBand | None) -> None:
    if band is not None:
        _add_area(figure, band.x, band.low, band.high, MODEL_COLOURS[0], "folds, mean ± 1 SD")


def _add_area(
    figure: Figure, x: FloatArray, low: FloatArray, high: FloatArray, colour: str, name: str
) -> None:
    """Fill between two curves."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        name=name,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.18)",
        hoverinfo="skip",
    )


def _add_point(figure: Figure, point: tuple[float, float] | None) -> None:
    if point is not None:
        figure.add_scatter(
            x=[point[0]],
            y=[point[1]],
            name="threshold",
            mode="markers",
            marker={"size": 12, "color": ACCENT_COLOUR, "symbol": "diamond"},
            hovertemplate="%{y:.1%} at %{x:.1%}<extra>threshold</extra>",
        )


def _aggregate_folds(
    history: Iterable[EpochRecord], field: str
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return epochs with mean, lowest and highest value of the folds so far."""
    by_epoch = sorted(history, key=lambda record: record.epoch)
    rows: list[list[Any]] = []
    for epoch, records in groupby(by_epoch, key=lambda record: record.epoch):
        values = np.array([getattr(record, field) for record in records], np.float64)
        values = values[np.isfinite(values)]
        if len(values):
            rows.append([epoch, values.mean(), values.min(), values.max()])
    epochs, mean, low, high = np.array(rows, np.float64).reshape(-1, 4).T
    return epochs, mean, low, high
