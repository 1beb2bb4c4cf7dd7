"""`spinefrac predict`: a saved model's answer on files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinefrac.cli import output, predict_series, prediction_report
from spinefrac.errors import ImageError, ModelError
from spinefrac.records import NOT_A_MEDICAL_DEVICE, CtSlice, Prediction
from spinefrac.wording import describe_audit

if TYPE_CHECKING:
    from spinefrac.imaging.series_grouping import SeriesSlice
    from spinefrac.inference.predictor import Predictor
    from spinefrac.report.prediction_report import ReportSlice
    from spinefrac.store.card import Card


def predict(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="PNG, JPEG, TIFF, BMP, DICOM or NIfTI (its middle slice); a folder or a ZIP of "
            "them, every slice of which is answered, series in the order of the body.",
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
            help="Write each slice with its heat map there, as NAME-heatmap.png at the slice's "
            "own size. Nothing is overwritten: a name that is taken gets a number.",
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="CENTER,WIDTH",
            help="Grey window in HU of the pictures that --heatmap-dir writes, such as 40,400. "
            "The answer does not depend on it: the model has its own preprocessing.",
        ),
    ] = None,
    series: Annotated[
        bool,
        typer.Option(
            "--series",
            help="Take each FILE, folder or ZIP for one or more series, a NIfTI with all its "
            "slices, and answer once for each: a score, its most suspicious slices, and what is "
            "odd about it.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a report on the slices there: .html, .pdf, .json, or .zip with DICOM "
            "results that refer to the study.",
        ),
    ] = None,
    identity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEYWORD",
            help="Put this of the DICOM header into the report, such as PatientID; may be given "
            "several times. Nothing of the patient is in it otherwise.",
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Answer, for each FILE, how probable a fracture is. Not a medical device.

    A file that cannot be read is reported; the others are still answered, and the exit status
    is 1.
    """
    look = None if window is None else parse_window(window)
    if look and heatmap_dir is None:
        raise typer.BadParameter(
            "it only changes the pictures that --heatmap-dir writes; give both or neither",
            param_hint="--window",
        )
    if series and heatmap_dir:
        raise typer.BadParameter(
            "--heatmap-dir draws slices and --series answers on series; give one of them",
            param_hint="--series",
        )
    if report is not None and (
        series or any(predict_series.is_folder_or_zip(file) for file in files)
    ):
        raise typer.BadParameter(
            "a report is on single files; give the slices that belong in it, and no folder, ZIP "
            "or --series",
            param_hint="--report",
        )
    if report is not None:
        prediction_report.validate_options(report, identity or (), len(files))
    elif identity:
        raise typer.BadParameter("it belongs to --report; give both", param_hint="--identity")
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor(model)
    _warn_about_model(predictor.model.card, heatmap_dir)
    if heatmap_dir:
        heatmap_dir.mkdir(parents=True, exist_ok=True)
    answers: list[dict[str, Any]] = []
    parts: list[ReportSlice] | None = [] if report else None
    given = (
        predict_series.predict_paths(predictor, files)
        if series
        else _predict_files(predictor, files, heatmap_dir, look, parts)
    )
    for answer in given:
        answers.append(answer)
        if not as_json and "error" not in answer:
            output.print_result(
                predict_series.format_prediction(answer) if series else _format_prediction(answer)
            )
        if "error" in answer:
            output.print_message(f"error: {answer['error']}")
    if report and parts:
        prediction_report.write_report(report, parts, predictor, identity or ())
    elif report:
        output.print_message("no slice was answered, so there is no report")
    if as_json:
        output.print_json(answers)
    else:
        output.print_message(NOT_A_MEDICAL_DEVICE)
    if any("error" in answer for answer in answers):
        raise typer.Exit(1)


def _warn_about_model(card: Card, heatmap_dir: Path | None) -> None:
    """Say what limits every answer of the model; refuse what it cannot give."""
    if heatmap_dir and card.heatmap == "none":
        raise ModelError(
            "This model gives no heat map, as its network was not made for one: leave "
            "--heatmap-dir out, or choose a model that was trained here"
        )
    if card.origin:
        output.print_message(
            "warning: the model was imported: its probability is not calibrated, its threshold of "
            f"{card.operating_point.threshold:g} was not chosen, and inputs are not checked; "
            "measure it with `spinefrac evaluate`"
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

    Slices of single files are collected in `report_slices` where a report is wanted.
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
    from spinefrac.inference import batch

    try:
        found = predict_series.collect_series(path)
    except ImageError as error:
        yield {"file": str(path), "error": output.to_one_line(str(error))}
        return
    parts = [part for one in found.series for part in one.slices] + list(found.single_slices)
    verdict = predictor.model.card.audit_verdict
    if heatmap_dir is None:
        with output.show_progress("answering") as tell:
            for done, (part, one) in enumerate(
                zip(parts, batch.predict_slices(predictor, parts), strict=True)
            ):
                tell(done, len(parts))
                answer = batch.prediction_to_dict(
                    predictor.model.id, replace(one, name=part.file.name)
                )
                if verdict in ("caution", "unusable") and not one.error:
                    answer["audit_verdict"] = verdict
                yield answer | _get_slice_number(part)
    else:
        for part in parts:
            try:
                ct = part.read()
            except ImageError as error:
                yield {"file": part.file.name, "error": output.to_one_line(str(error))}
                continue
            given, name = predictor.predict(ct), part.file.name
            yield _to_json_prediction(
                predictor, ct, given, name, heatmap_dir, window
            ) | _get_slice_number(part)
    for entry in found.unreadable:
        yield {"file": entry.path, "error": output.to_one_line(entry.reason)}


def _get_slice_number(part: SeriesSlice) -> dict[str, int]:
    """Say which slice of its file it is, from 1, where the file holds several."""
    return {} if part.frame is None else {"slice": part.frame + 1}


def _to_json_prediction(
    predictor: Predictor,
    ct: CtSlice,
    prediction: Prediction,
    name: str,
    heatmap_dir: Path | None,
    window: tuple[float, float] | None,
) -> dict[str, Any]:
    """Return one slice's answer as JSON, and write its heat map where one is asked for."""
    answer: dict[str, Any] = {
        "file": name,
        "model": prediction.model,
        "probability": prediction.probability,
        "label": prediction.label,
        "threshold": prediction.threshold,
        "input_check": asdict(prediction.input_check) if prediction.input_check else None,
        "milliseconds": round(prediction.milliseconds, 2),
    }
    if predictor.model.card.audit_verdict in ("caution", "unusable"):
        answer["audit_verdict"] = predictor.model.card.audit_verdict
    if heatmap_dir:
        stem = Path(name).stem
        answer["heatmap"] = str(_write_heatmap(ct, prediction, heatmap_dir, stem, window))
    return answer


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

    assert prediction.heatmap is not None  # _warn has refused
    picture = heatmap.overlay_heatmap(imaging.to_display(ct, window), prediction.heatmap)
    _, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
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


def _format_prediction(answer: dict[str, Any]) -> str:
    """Return one line for people."""
    check = answer["input_check"]
    doubt = (
        ""
        if check is None or check["typical"]
        else f"; unlike the training slices: {check['reason']}"
    )
    place = f", slice {answer['slice']}" if "slice" in answer else ""
    picture = f"; {answer['heatmap']}" if "heatmap" in answer else ""
    return (
        f"{answer['file']}{place}: {answer['label']}, probability {answer['probability']:.3f} "
        f"(threshold {answer['threshold']:.3f}, model {answer['model']}){doubt}{picture}"
    )
