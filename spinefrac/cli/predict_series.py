"""`spinefrac predict --series`: one answer a series, from a folder, a ZIP or a volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinefrac.cli import output
from spinefrac.errors import ImageError
from spinefrac.records import CLASS_NAMES, Unreadable

if TYPE_CHECKING:
    from spinefrac.imaging.series_grouping import Series, SeriesGrouping
    from spinefrac.inference.predictor import Predictor


def is_folder_or_zip(path: Path) -> bool:
    """Whether a path is a folder or a ZIP."""
    from spinefrac.imaging import collect

    if path.is_dir():
        return True
    try:
        return path.is_file() and collect.is_zip(collect.file_from_path(path))
    except (ImageError, OSError):
        return False  # reading it says why


def collect_series(path: Path) -> SeriesGrouping:
    """Return what a folder, a ZIP or one file holds; names are paths as the user would write them.

    Raises
    ------
    ImageError
        There is nothing at the path, or nothing in it.
    """
    from spinefrac.imaging import collect
    from spinefrac.imaging.series_grouping import group_into_series

    if path.is_dir():
        brought = collect.collect_files(collect.files_from_folder(path, prefix=f"{path}/"))
    elif path.is_file():
        brought = collect.collect_files([collect.file_from_path(path, str(path))])
        if is_folder_or_zip(path):
            inside = tuple(replace(one, name=f"{path}/{one.name}") for one in brought.files)
            refused = tuple(
                entry if entry.path == str(path) else replace(entry, path=f"{path}/{entry.path}")
                for entry in brought.unreadable
            )
            brought = collect.CollectedFiles(inside, refused)
    else:
        raise ImageError(f"{path}: expected a file or a folder, found nothing there; check it")
    if not brought.files and not brought.unreadable:
        raise ImageError(f"{path}: expected slices, found an empty folder; check the path")
    with output.show_progress("looking") as tell:
        found = group_into_series(brought.files, progress=tell)
    return replace(found, unreadable=(*brought.unreadable, *found.unreadable))


def predict_paths(predictor: Predictor, paths: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield one JSON object a series, and one a file that belongs to none or cannot be read."""
    from spinefrac.evaluation import series_pooling

    model = predictor.model
    record = (
        series_pooling.evaluate_series_score(model.load_out_of_fold(), n_resamples=0)
        if model.has_out_of_fold
        else None
    )
    for path in paths:
        try:
            found = collect_series(path)
        except ImageError as error:
            yield {"file": str(path), "error": output.to_one_line(str(error))}
            continue
        for one in found.series:
            yield _predict_one_series(predictor, path, one, record.threshold if record else None)
        refused = list(found.unreadable)
        if found.single_slices:
            count = len(found.single_slices)
            refused.append(
                Unreadable(
                    str(path),
                    f"{path}: expected slices of a series, got {count} that belong to none; "
                    "leave --series out to answer on each",
                )
            )
        for entry in refused:
            yield {"file": entry.path, "error": output.to_one_line(entry.reason)}


def _predict_one_series(
    predictor: Predictor, path: Path, series: Series, threshold: float | None
) -> dict[str, Any]:
    from spinefrac.inference import batch

    given = []
    with output.show_progress("answering") as tell:
        for one in batch.predict_slices(predictor, series.slices):
            given.append(one)
            tell(len(given), len(series))
    found = batch.pool_series_predictions(predictor.model.id, given)
    scored = found.peak_index >= 0
    label = None
    if scored and threshold is not None:
        label = CLASS_NAMES[int(found.score >= threshold)]
    return {
        "file": str(path),
        "series": series.name,
        "model": predictor.model.id,
        "slices": len(series),
        "counted": int(found.included.sum()),
        "score": found.score if scored else None,
        "label": label,
        "threshold": threshold,
        "most_suspicious": [
            {"slice": index + 1, "file": series.slices[index].file.name}
            | ({"position_mm": series.positions_mm[index]} if series.positions_mm else {})
            | {"probability": given[index].probability}
            for index in found.highest_slices()
        ],
        "probabilities": [None if one.error else one.probability for one in given],
        "findings": [{"code": one.code, "message": one.message} for one in series.findings],
        "unreadable": [
            {"slice": index + 1, "reason": output.to_one_line(reason)}
            for index, reason in found.errors.items()
        ],
    }


def format_prediction(answer: dict[str, Any]) -> str:
    """Return one line for people."""
    if answer["score"] is None:
        said = "no slice has an answer"
    elif answer["label"] is None:
        said = f"score {answer['score']:.3f} (threshold not known)"
    else:
        said = (
            f"{answer['label']}, score {answer['score']:.3f} (threshold {answer['threshold']:.3f})"
        )
    most = ", ".join(str(one["slice"]) for one in answer["most_suspicious"])
    odd = "".join(f"; {one['message']}" for one in answer["findings"])
    return (
        f"{answer['file']}: {answer['series']}, {answer['slices']} slices: {said}"
        f"{f'; most suspicious slices: {most}' if most else ''}{odd}"
    )
