"""`spinefrac models export|import|push|pull|log`: transfer models to and from other places."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinefrac.cli import output

if TYPE_CHECKING:
    from spinefrac.exchange.export import ExportResult
    from spinefrac.store.repository import SavedModel

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Saved model.", show_default=False)
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Name of the saved model.", show_default=False),
]


class InputScale(StrEnum):
    """Input scale of an imported network; see `exchange.io_spec.INPUT_SCALES`."""

    FULL = "0..255"
    UNIT = "0..1"
    SIGNED = "-1..1"
    IMAGENET = "imagenet"
    IMAGENET_BGR = "imagenet-bgr"


class OutputActivation(StrEnum):
    """Output activation of an imported network."""

    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    LOGITS = "logits"


class ExportFormat(StrEnum):
    """A format in an exported archive; see `exchange.export.FORMATS`."""

    KERAS = "keras"
    ONNX = "onnx"
    H5 = "h5"
    SAVEDMODEL = "savedmodel"
    LITERT = "litert"
    LITERT_INT8 = "litert-int8"
    ALL = "all"


def export_model(
    name: NameArgument,
    formats: Annotated[
        list[ExportFormat] | None,
        typer.Option(
            "--format",
            help="May be repeated. Keras and ONNX are always in the archive; h5, savedmodel, "
            "litert and litert-int8 are converted from them.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to write; by default NAME.zip."),
    ] = None,
    keep_names: output.KeepNamesOption = False,
    as_json: output.JsonOption = False,
) -> None:
    """Export the saved model NAME as one ZIP, with its card and a script that needs no spinefrac.

    Each format is loaded again in a fresh process and compared on 16 synthetic slices; the loss
    of 8-bit LiteRT is measured on others. The archive has no slice of the training data.
    """
    from spinefrac.exchange import export
    from spinefrac.store import repository

    chosen = [entry.value for entry in formats or []]
    model = repository.load(name)
    if ExportFormat.ALL.value in chosen:
        whole = repository.KERAS_FILE in model.card.files
        chosen = list(export.FORMATS) if whole else ["onnx"]
    done = export.export_model(model, out or Path(f"{name}.zip"), chosen, keep_names=keep_names)
    if as_json:
        output.print_json(done.to_dict())
    else:
        _print_export(done)
    output.print_if_names_kept(done.names_kept)


def _print_export(done: ExportResult) -> None:
    """Print the formats with their differences, and where the archive is."""
    from spinefrac.exchange.threshold_agreement import ThresholdAgreement

    rows = [("format", "file", "size", "largest difference", "at the threshold")]
    rows += [
        (
            entry.format,
            entry.file,
            f"{entry.bytes / 1e6:.2f} MB",
            f"{entry.largest_difference:.1e}",
            entry.agreement.summarize(),
        )
        for entry in done.formats
    ]
    output.print_result(output.format_table(rows))
    for entry in done.formats:
        if loss := entry.loss:
            low, high = loss["auc_interval"] or (float("nan"),) * 2
            output.print_result(
                f"8-bit LiteRT on {loss['slices']} {loss['measured_on']}: AUC "
                f"{loss['auc_int8']:.4f} against {loss['auc_float']:.4f}, difference "
                f"{loss['auc_difference']:+.4f} (95 % CI {low:+.4f} to {high:+.4f}). "
                f"{ThresholdAgreement(**loss['agreement']).describe()}"
            )
    output.print_line(
        f"{done.path}: {done.bytes / 1e6:.2f} MB; predict.py in it differs by at most "
        f"{done.script['largest_difference']:.1e} from spinefrac on "
        f"{done.script['slices']} synthetic slices"
    )


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A ZIP of `spinefrac models export`, or a network as .keras, .h5 or .onnx.",
            show_default=False,
        ),
    ],
    name: NameOption = None,
    size: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Side of the square input.", show_default=False),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(metavar="1|3", help="Channels of the input.", show_default=False),
    ] = None,
    scale: Annotated[
        InputScale | None,
        typer.Option(
            help="Scale of the images that the network was trained on; imagenet and imagenet-bgr "
            "are the modes torch and caffe of keras.applications.",
            show_default=False,
        ),
    ] = None,
    output_activation: Annotated[
        OutputActivation | None,
        typer.Option("--output", help="Output activation of the network.", show_default=False),
    ] = None,
    positive_class: Annotated[
        int | None,
        typer.Option(
            metavar="0|1",
            help="The class that is fracture: the column of two values, or what one value near "
            "it means. With folders in alphabetical order fracture is 0 and normal is 1.",
            show_default=False,
        ),
    ] = None,
    crop: Annotated[
        bool,
        typer.Option(
            "--crop/--no-crop",
            help="Crop slices to the bone first, as models trained here do.",
        ),
    ] = False,
    window: Annotated[
        str,
        typer.Option(
            metavar="CENTER,WIDTH", help="Window in HU that the network was trained on, for DICOM."
        ),
    ] = "500,2000",
    note: Annotated[str, typer.Option(help="What the model is for.")] = "",
    as_json: output.JsonOption = False,
) -> None:
    """Import a model, from a ZIP or a network's file, after verifying it in a limited process.

    What the file does not say about input and output must be declared; nothing is guessed. An
    imported network has no metrics until `spinefrac evaluate`, its threshold is 0.5 and its
    probability is not calibrated.
    """
    from spinefrac.cli.predict import parse_window
    from spinefrac.exchange import import_model
    from spinefrac.records import Preprocessing

    user_io = import_model.DeclaredIO(
        size,
        channels,
        scale.value if scale else None,
        output_activation.value if output_activation else None,
        positive_class,
    )
    center, width = parse_window(window)
    preprocessing = Preprocessing(window_center=center, window_width=width, bone_crop=crop)
    model = import_model.import_file(
        file, name, user_io=user_io, preprocessing=preprocessing, note=note
    )
    if as_json:
        output.print_json(import_model.summarize_import(model))
    else:
        _print_import(model)


def _print_import(model: SavedModel) -> None:
    """Print what the model takes and returns, and what it lacks."""
    if model.has_out_of_fold:
        output.print_result(f"{model.id}: imported with its card and its out-of-fold predictions")
    else:
        origin = model.card.origin
        assert origin is not None
        size = model.preprocessing.size
        output.print_result(
            f"{model.id}: input {size} x {size} x {origin.channels} in {origin.scale}, output "
            f"{origin.output}, class {origin.positive_class} is fracture (from the file: "
            f"{', '.join(origin.recognised) or 'nothing'}); largest difference of a logit from "
            f"the original network: {model.card.keras_onnx_max_difference:.2g}"
        )
        output.print_message(
            f"not calibrated, threshold {model.threshold:g} not chosen, no metrics yet: run "
            f"`spinefrac evaluate {model.id} FOLDER`"
        )


def push(
    name: NameArgument,
    address: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="A folder or any address of fsspec, such as s3://bucket/models.",
            show_default=False,
        ),
    ],
    keep_names: output.KeepNamesOption = False,
    as_json: output.JsonOption = False,
) -> None:
    """Copy the saved model NAME to URL/NAME and verify every file there.

    The card is written last: an interrupted push leaves nothing that pull accepts as a model.
    The address of an S3-compatible store is in AWS_ENDPOINT_URL; its keys are where the AWS
    tools read them.
    """
    from dataclasses import asdict

    from spinefrac.exchange import remote
    from spinefrac.store import repository

    with output.show_progress("pushing") as report:
        done = remote.push(repository.load(name), address, report, keep_names=keep_names)
    if as_json:
        output.print_json(asdict(done))
    else:
        outcome = "was there already" if done.already else f"pushed, {done.bytes / 1e6:.2f} MB"
        output.print_line(f"{done.model}: {outcome}, at {done.address}")
    output.print_if_names_kept(done.names_kept)


def pull(
    address: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="Address of a pushed model: URL/NAME.", show_default=False
        ),
    ],
    name: NameOption = None,
    as_json: output.JsonOption = False,
) -> None:
    """Copy the model at URL here, after verifying every file against its card."""
    from dataclasses import asdict

    from spinefrac.exchange import remote

    with output.show_progress("pulling") as report:
        done = remote.pull(address, name, report)
    if as_json:
        output.print_json(asdict(done))
    else:
        output.print_line(f"{done.model}: pulled from {done.address}, {done.bytes / 1e6:.2f} MB")


def log_model(name: NameArgument, as_json: output.JsonOption = False) -> None:
    """Log the saved model NAME to the MLflow server in SPINEFRAC_MLFLOW_URI.

    Training does this automatically where that variable is set. Settings, history, metrics with
    their confidence intervals, the card and the networks are logged; the out-of-fold predictions,
    whose file names may identify patients, are not.
    """
    from dataclasses import asdict

    from spinefrac.exchange import mlflow_logging
    from spinefrac.store import repository

    done = mlflow_logging.log_model(repository.load(name))
    if as_json:
        output.print_json(asdict(done))
    else:
        output.print_line(f"{name}: run {done.run}, version {done.version} at {done.address}")
