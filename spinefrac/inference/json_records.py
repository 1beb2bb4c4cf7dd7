"""Predictions as the JSON objects that `spinefrac predict --json` and REST give out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from spinefrac.imaging.series_grouping import Series, SeriesSlice
from spinefrac.inference import batch
from spinefrac.inference.batch import SlicePrediction
from spinefrac.inference.predictor import Predictor
from spinefrac.inference.series_performance import load_series_performance
from spinefrac.records import CLASS_NAMES, CtSlice, Prediction
from spinefrac.redaction import to_printable
from spinefrac.store.repository import SavedModel


def to_one_line(text: str) -> str:
    """Collapse white space and replace control characters, which a file name may contain."""
    return to_printable(" ".join(text.split()))


def describe_error(name: str, reason: str) -> dict[str, Any]:
    """Return the object of a file without a prediction."""
    return {"file": name, "error": to_one_line(reason)}


def describe_slice(
    model: SavedModel, ct: CtSlice, prediction: Prediction, name: str
) -> dict[str, Any]:
    """Return the object of a slice that was read and predicted alone."""
    found: dict[str, Any] = {
        "file": name,
        "model": prediction.model,
        "probability": prediction.probability,
        "label": prediction.label,
        "threshold": prediction.threshold,
        "input_check": asdict(prediction.input_check) if prediction.input_check else None,
        "milliseconds": round(prediction.milliseconds, 2),
    }
    if model.card.audit_verdict in ("caution", "unusable"):
        found["audit_verdict"] = model.card.audit_verdict
    if ct.plane not in ("", "axial"):
        found["plane"] = ct.plane
    return found


def describe_part(
    model: SavedModel, part: SeriesSlice, prediction: SlicePrediction
) -> dict[str, Any]:
    """Return the object of one of many slices; its number, from 1, where its file has several."""
    found = batch.prediction_to_dict(model.id, replace(prediction, name=part.file.name))
    if model.card.audit_verdict in ("caution", "unusable") and not prediction.error:
        found["audit_verdict"] = model.card.audit_verdict
    return found | get_slice_number(part)


def get_slice_number(part: SeriesSlice) -> dict[str, int]:
    """Return the number of the slice in its file, from 1, where the file holds several."""
    return {} if part.frame is None else {"slice": part.frame + 1}


def find_series_threshold(model: SavedModel) -> float | None:
    """Return the threshold of the series score; None where the model has no out-of-fold record."""
    found = load_series_performance(model, n_resamples=0)
    return found.threshold if found else None


def describe_series(
    predictor: Predictor,
    name: str,
    series: Series,
    predictions: Iterable[SlicePrediction],
    threshold: float | None,
) -> dict[str, Any]:
    """Return the object of a series.

    Parameters
    ----------
    predictor : Predictor
    name : str
        Of the file or folder that it came from.
    series : Series
    predictions : iterable of SlicePrediction
        Of its slices, in their order.
    threshold : float or None
        See `find_series_threshold`.
    """
    predictions = tuple(predictions)
    found = batch.pool_series_predictions(predictor.model.id, predictions)
    has_score = found.peak_index >= 0
    label = None
    if has_score and threshold is not None:
        label = CLASS_NAMES[int(found.score >= threshold)]
    return {
        "file": name,
        "series": series.name,
        "model": predictor.model.id,
        "slices": len(series),
        "counted": int(found.included.sum()),
        "score": found.score if has_score else None,
        "label": label,
        "threshold": threshold,
        "most_suspicious": [
            {"slice": index + 1, "file": series.slices[index].file.name}
            | ({"position_mm": series.positions_mm[index]} if series.positions_mm else {})
            | {"probability": predictions[index].probability}
            for index in found.highest_slices()
        ],
        "probabilities": [None if one.error else one.probability for one in predictions],
        "findings": [{"code": one.code, "message": one.message} for one in series.findings],
        "unreadable": [
            {"slice": index + 1, "reason": to_one_line(reason)}
            for index, reason in found.errors.items()
        ],
    }
