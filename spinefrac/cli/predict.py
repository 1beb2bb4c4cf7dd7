"""`spinefrac predict`: a saved model's predictions on files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinefrac.cli import output, predict_series, prediction_report
from spinefrac.errors import ImageError, ModelError
from spinefrac.records import NOT_A_MEDICAL_DEVICE, CtSlice, Prediction
from spinefrac.wording import SYNTHETIC_MODEL_WARNING, describe_audit, describe_grade

if TYPE_CHECKING:
    from spinefrac.imaging.series_grouping import SeriesSlice
    from spinefrac.inference.predictor import Predictor
    from spinefrac.report.prediction_report import ReportSlice
    from spinefrac.store.repository import SavedModel


def predict(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="PNG, JPEG, TIFF, BMP, DICOM or NIfTI (its middle slice); or a folder or ZIP of "
            "them: every slice is predicted, series in order of position.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Saved model; the default one if not given."),
    ] = None,
    heatmap_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write each slice with its heat map to this folder, as NAME-heatmap.png in the "
            "size of the slice. Nothing is overwritten: a name that exists gets a number.",
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="CENTER,WIDTH",
            help="Window in HU of the images that --heatmap-dir writes, such as 40,400. The "
            "prediction does not depend on it: the model has its own preprocessing.",
        ),
    ] = None,
    series: Annotated[
        bool,
        typer.Option(
            "--series",
            help="Read each FILE, folder or ZIP as one or more series, a NIfTI with all its "
            "slices, and predict each series: its score, its slices of highest probability, and "
            "findings about the series.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a report on the slices to this file: .html, .pdf, .json, or .zip with "
            "DICOM results that refer to the study.",
        ),
    ] = None,
    identity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEYWORD",
            help="Include this element of the DICOM header in the report, such as PatientID; may "
            "be repeated. Without it the report names nothing of the patient.",
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Predict for each FILE the probability of a fracture. Not a medical device.

    A file that cannot be read is reported; the others are still predicted, and the exit status
    is 1.
    """
    display_window = None if window is None else parse_window(window)
    _validate_options(files, series, heatmap_dir, window)
    _validate_report_options(files, series, report, identity or ())
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor(model)
    _warn_about_model(predictor.model, heatmap_dir)
    if heatmap_dir:
        heatmap_dir.mkdir(parents=True, exist_ok=True)
    report_slices: list[ReportSlice] | None = [] if report else None
    predictions = _print_predictions(
        predict_series.predict_paths(predictor, files)
        if series
        else _predict_files(predictor, files, heatmap_dir, display_window, report_slices),
        predict_series.format_prediction if series else _format_prediction,
        as_json,
    )
    if report and report_slices:
        prediction_report.write_report(report, report_slices, predictor, identity or ())
    elif report:
        output.print_message("no slice was predicted, so no report was written")
    if as_json:
        output.print_json(predictions)
    else:
        output.print_message(NOT_A_MEDICAL_DEVICE)
    if any("error" in prediction for prediction in predictions):
        raise typer.Exit(1)


def _validate_options(
    files: list[Path], series: bool, heatmap_dir: Path | None, window: str | None
) -> None:
    """Refuse options that contradict each other."""
    if window is not None and heatmap_dir is None:
        raise typer.BadParameter(
            "it only changes the images that --heatmap-dir writes; give both or neither",
            param_hint="--window",
        )
    if series and heatmap_dir:
        raise typer.BadParameter(
            "--heatmap-dir is for slices and --series for series; give one of them",
            param_hint="--series",
        )


def _validate_report_options(
    files: list[Path], series: bool, report: Path | None, identity: Sequence[str]
) -> None:
    """Refuse a report of anything but single files, and options of a report without one."""
    if report is None:
        if identity:
            raise typer.BadParameter("it belongs to --report; give both", param_hint="--identity")
        return
    if series or any(predict_series.is_folder_or_zip(file) for file in files):
        raise typer.BadParameter(
            "a report is on single files; give the slices that belong in it, and no folder, ZIP "
            "or --series",
            param_hint="--report",
        )
    prediction_report.validate_options(report, identity, len(files))


def _print_predictions(
    predictions: Iterable[dict[str, Any]],
    format_line: Callable[[dict[str, Any]], str],
    as_json: bool,
) -> list[dict[str, Any]]:
    """Print each prediction as soon as it exists, unless all come as JSON; return them."""
    collected = []
    for prediction in predictions:
        collected.append(prediction)
        if "error" in prediction:
            output.print_message(f"error: {prediction['error']}")
        elif not as_json:
            output.print_line(format_line(prediction))
    return collected


def _warn_about_model(model: SavedModel, heatmap_dir: Path | None) -> None:
    """Warn of what limits every prediction of the model; refuse what it does not have."""
    card = model.card
    if heatmap_dir and card.heatmap == "none":
        raise ModelError(
            "This model has no heat map, because its network was not built for one: leave "
            "--heatmap-dir out, or choose a model that was trained with spinefrac"
        )
    if model.is_synthetic:
        output.print_message(f"warning: {SYNTHETIC_MODEL_WARNING}")
    if card.origin:
        output.print_message(
            "warning: the model was imported: its probability is not calibrated, its threshold of "
            f"{card.operating_point.threshold:g} was not chosen on data, and there is no input "
            "check; evaluate it with `spinefrac evaluate`"
        )
    if card.audit_verdict in ("caution", "unusable"):
        output.print_message(f"warning: {describe_audit(card.audit_verdict)}")


def _predict_files(
    predictor: Predictor,
    files: list[Path],
    heatmap_dir: Path | None,
    window: tuple[float, float] | None,
    report_slices: list[ReportSlice] | None,
) -> Iterator[dict[str, Any]]:
    """Yield one JSON object a slice: one a file, and one a slice of a folder or ZIP.

    Slices of single files are added to `report_slices` where a report is requested.
    """
    from spinefrac import imaging

    for file in files:
        if predict_series.is_folder_or_zip(file):
            yield from _predict_container(predictor, file, heatmap_dir, window)
            continue
        try:
            ct = imaging.read(file, name=str(file))
        except ImageError as error:
            yield {"file": str(file), "error": output.to_one_line(str(error))}
            continue
        prediction = predictor.predict(ct)
        yield _to_json_prediction(predictor, ct, prediction, str(file), heatmap_dir, window)
        if report_slices is not None:
            number = len(report_slices) + 1
            report_slices.append(
                prediction_report.build_report_slice(predictor, number, ct, prediction, file)
            )


def _predict_container(
    predictor: Predictor,
    path: Path,
    heatmap_dir: Path | None,
    window: tuple[float, float] | None,
) -> Iterator[dict[str, Any]]:
    """Yield one JSON object a slice of a folder or ZIP, and one a file that cannot be read."""
    from spinefrac.inference.json_records import get_slice_number

    try:
        found = predict_series.collect_series(path)
    except ImageError as error:
        yield {"file": str(path), "error": output.to_one_line(str(error))}
        return
    parts = [part for one in found.series for part in one.slices] + list(found.single_slices)
    if heatmap_dir is None:
        yield from _predict_parts(predictor, parts)
    else:
        for part in parts:
            try:
                ct = part.read()
            except ImageError as error:
                yield {"file": part.file.name, "error": output.to_one_line(str(error))}
                continue
            result = _to_json_prediction(
                predictor, ct, predictor.predict(ct), part.file.name, heatmap_dir, window
            )
            yield result | get_slice_number(part)
    for entry in found.unreadable:
        yield {"file": entry.path, "error": output.to_one_line(entry.reason)}


def _predict_parts(predictor: Predictor, parts: list[SeriesSlice]) -> Iterator[dict[str, Any]]:
    """Yield one JSON object a slice, without heat maps, predicted on all cores."""
    from spinefrac.inference import batch, json_records

    with output.show_progress("predicting") as report_progress:
        predictions = batch.predict_slices(predictor, parts)
        for done, (part, one) in enumerate(zip(parts, predictions, strict=True)):
            report_progress(done, len(parts))
            yield json_records.describe_part(predictor.model, part, one)


def _to_json_prediction(
    predictor: Predictor,
    ct: CtSlice,
    prediction: Prediction,
    name: str,
    heatmap_dir: Path | None,
    window: tuple[float, float] | None,
) -> dict[str, Any]:
    """Return one slice's prediction as JSON, and write its heat map where requested."""
    from spinefrac.inference.json_records import describe_slice

    result = describe_slice(predictor.model, ct, prediction, name)
    if heatmap_dir:
        stem = Path(name).stem
        result["heatmap"] = str(_write_heatmap(ct, prediction, heatmap_dir, stem, window))
    return result


def _write_heatmap(
    ct: CtSlice,
    prediction: Prediction,
    folder: Path,
    stem: str,
    window: tuple[float, float] | None,
) -> Path:
    """Write the slice with its heat map as a new PNG file and return its path."""
    import cv2

    from spinefrac import imaging
    from spinefrac.viz import heatmap

    assert prediction.heatmap is not None  # `_warn_about_model` has refused
    image = heatmap.overlay_heatmap(imaging.to_display(ct, window), prediction.heatmap)
    _, content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    for number in count(1):
        path = folder / (f"{stem}-heatmap.png" if number == 1 else f"{stem}-heatmap-{number}.png")
        try:
            with path.open("xb") as file:
                file.write(content.tobytes())
        except FileExistsError:
            continue
        break
    return path


def parse_window(text: str) -> tuple[float, float]:
    """Read ``CENTER,WIDTH``."""
    try:
        center, width = (float(part) for part in text.split(","))
    except ValueError:
        center = width = float("nan")
    if not (abs(center) <= 1e5 and 1 <= width <= 1e5):
        raise typer.BadParameter(
            f"expected CENTER,WIDTH in HU with a width of 1 or more, such as 500,2000; got "
            f"{text!r}",
            param_hint="--window",
        )
    return center, width


def _format_prediction(prediction: dict[str, Any]) -> str:
    """Return one line for people."""
    check = prediction["input_check"]
    warning = ""
    if check is not None and not check["typical"]:
        warning = f"; {describe_grade(check['grade'])}: {check['reason']}"
    number = f", slice {prediction['slice']}" if "slice" in prediction else ""
    heatmap = f"; {prediction['heatmap']}" if "heatmap" in prediction else ""
    plane = ""
    if "plane" in prediction:
        plane = f"; a {prediction['plane']} slice, which a model of axial slices does not fit"
    return (
        f"{prediction['file']}{number}: {prediction['label']}, probability "
        f"{prediction['probability']:.3f} (threshold {prediction['threshold']:.3f}, model "
        f"{prediction['model']}){warning}{plane}{heatmap}"
    )
