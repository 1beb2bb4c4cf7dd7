"""`spinefrac predict --series`: one prediction a series, from a folder, a ZIP or a volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinefrac.cli import output
from spinefrac.errors import ImageError
from spinefrac.records import Unreadable

if TYPE_CHECKING:
    from spinefrac.imaging.series_grouping import Series, SeriesGrouping
    from spinefrac.inference.predictor import Predictor


def is_folder_or_zip(path: Path) -> bool:
    """Return whether a path is a folder or a ZIP."""
    from spinefrac.imaging import collect

    if path.is_dir():
        return True
    try:
        return path.is_file() and collect.is_zip(collect.file_from_path(path))
    except OSError:
        return False  # reading it reports the reason


def collect_series(path: Path, *, is_scan: bool = False) -> SeriesGrouping:
    """Return the series of a folder, a ZIP or a file; names are paths as the user writes them.

    Parameters
    ----------
    path : Path
    is_scan : bool
        Whether a folder of pictures is one scan, as in training by scan.

    Raises
    ------
    ImageError
        The path does not exist, or there is nothing in it.
    """
    from spinefrac.imaging import collect
    from spinefrac.imaging.series_grouping import group_into_series, join_pictures

    if path.is_dir():
        collected = collect.rename_files(collect.collect_folder(path), f"{path}/")
    elif path.is_file():
        file = collect.file_from_path(path, str(path))
        collected = (
            collect.rename_files(collect.open_zip(file), f"{path}/")
            if collect.is_zip(file)
            else collect.CollectedFiles((file,))
        )
    else:
        raise ImageError(f"{path}: expected a file or a folder, found nothing; check the path")
    if not collected.files and not collected.unreadable:
        raise ImageError(f"{path}: expected slices, found none; check the path")
    with output.show_progress("reading") as report_progress:
        found = group_into_series(collected.files, progress=report_progress)
    if is_scan and path.is_dir():
        found = join_pictures(found, path.name)
    return replace(found, unreadable=(*collected.unreadable, *found.unreadable))


def predict_paths(predictor: Predictor, paths: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield one JSON object a series, and one a file that belongs to none or cannot be read."""
    from spinefrac.inference.json_records import find_series_threshold

    threshold = find_series_threshold(predictor.model)
    for path in paths:
        try:
            found = collect_series(path, is_scan=predictor.model.is_of_scans)
        except ImageError as error:
            yield {"file": str(path), "error": output.to_one_line(str(error))}
            continue
        for one in found.series:
            yield _predict_one_series(predictor, path, one, threshold)
        refused = list(found.unreadable)
        if found.single_slices:
            count = len(found.single_slices)
            refused.append(
                Unreadable(
                    str(path),
                    f"{path}: expected slices of a series, got {count} that belong to none; "
                    "leave --series out to predict each",
                )
            )
        for entry in refused:
            yield {"file": entry.path, "error": output.to_one_line(entry.reason)}


def _predict_one_series(
    predictor: Predictor, path: Path, series: Series, threshold: float | None
) -> dict[str, Any]:
    from spinefrac.inference import batch
    from spinefrac.inference.json_records import describe_series

    predictions = []
    with output.show_progress("predicting") as report_progress:
        for one in batch.predict_slices(predictor, series.slices):
            predictions.append(one)
            report_progress(len(predictions), len(series))
    return describe_series(predictor, str(path), series, predictions, threshold)


def format_prediction(prediction: dict[str, Any]) -> str:
    """Return one line for people."""
    if prediction["score"] is None:
        result = "no slice has a prediction"
    elif prediction["label"] is None:
        result = f"series score {prediction['score']:.3f} (threshold not known)"
    else:
        result = (
            f"{prediction['label']}, series score {prediction['score']:.3f} "
            f"(threshold {prediction['threshold']:.3f})"
        )
    highest = ", ".join(str(one["slice"]) for one in prediction["most_suspicious"])
    findings = "".join(f"; {one['message']}" for one in prediction["findings"])
    return (
        f"{prediction['file']}: {prediction['series']}, {prediction['slices']} slices: {result}"
        f"{f'; slices of highest probability: {highest}' if highest else ''}{findings}"
    )
