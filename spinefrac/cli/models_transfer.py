"""`spinefrac models export|import|push|pull`: models that come and go."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Saved model.", show_default=False)
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Name to save it under.", show_default=False),
]


class InputScale(StrEnum):
    """Grey values that a network from elsewhere takes; see `store.asking.SCALES`."""

    FULL = "0..255"
    UNIT = "0..1"
    SIGNED = "-1..1"
    IMAGENET = "imagenet"
    IMAGENET_BGR = "imagenet-bgr"


class OutputActivation(StrEnum):
    """What a network from elsewhere gives."""

    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    LOGITS = "logits"


class ExportFormat(StrEnum):
    """A format in an exported archive; see `store.exporting.FORMATS`."""

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
            help="May be given several times. Keras and ONNX are always in the archive; h5, "
            "savedmodel, litert and litert-int8 are made of them.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write; NAME.zip if not given."),
    ] = None,
    keep_names: Annotated[
        bool,
        typer.Option(
            "--keep-names",
            help="Leave file names and groups of the training slices in the out-of-fold answers. "
            "They may name patients; otherwise they become numbers.",
        ),
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Write the saved model NAME as one ZIP, with its card and a script that needs no spinefrac.

    Each format is read back in a fresh process and compared on 16 rendered slices; what 8-bit
    LiteRT costs is measured on others. No picture of the training data is in the archive.
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
        return
    rows = [("format", "file", "size", "largest difference")]
    rows += [
        (entry.format, entry.file, f"{entry.bytes / 1e6:.2f} MB", f"{entry.largest_difference:.1e}")
        for entry in done.formats
    ]
    output.print_result(output.format_table(rows))
    for entry in done.formats:
        if loss := entry.loss:
            low, high = loss["auc_interval"] or (float("nan"),) * 2
            output.print_result(
                f"8-bit LiteRT on {loss['slices']} {loss['measured_on']}: AUC "
                f"{loss['auc_int8']:.4f} against {loss['auc_float']:.4f}, difference "
                f"{loss['auc_difference']:+.4f} ({low:+.4f} to {high:+.4f}); "
                f"{100 * loss['same_calls']:.1f} % of the slices called alike"
            )
    output.print_result(
        f"{done.path}: {done.bytes / 1e6:.2f} MB; predict.py in it differs by at most "
        f"{done.script['largest_difference']:.1e} from spinefrac on "
        f"{done.script['slices']} rendered slices"
    )
    if keep_names:
        output.print_message(
            "note: oof.csv in it names the files and groups of the training slices"
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
            help="Grey values the network was trained on; imagenet and imagenet-bgr are the "
            "means and deviations of keras.applications' torch and caffe modes.",
            show_default=False,
        ),
    ] = None,
    output_activation: Annotated[
        OutputActivation | None,
        typer.Option("--output", help="What the network gives.", show_default=False),
    ] = None,
    positive_class: Annotated[
        int | None,
        typer.Option(
            metavar="0|1",
            help="The class that is fracture: the column of two values, or what one value near "
            "it means. Folders read in the order of the alphabet make fracture 0 and normal 1.",
            show_default=False,
        ),
    ] = None,
    crop: Annotated[
        bool,
        typer.Option(
            "--crop/--no-crop",
            help="Cut slices to the bone first, as models trained here do.",
        ),
    ] = False,
    window: Annotated[
        str,
        typer.Option(
            metavar="CENTER,WIDTH", help="Grey window in HU the network was trained on, for DICOM."
        ),
    ] = "500,2000",
    note: Annotated[str, typer.Option(help="What the model is for.")] = "",
    as_json: output.JsonOption = False,
) -> None:
    """Take a model from elsewhere, a ZIP or a network, after looking at it in a closed process.

    What the file does not say of how its network is asked must be given; nothing is guessed.
    A network has no numbers until `spinefrac evaluate` measures it, its threshold is 0.5 and its
    probability is not calibrated.
    """
    from spinefrac.cli.predict import parse_window
    from spinefrac.exchange import import_model as importing
    from spinefrac.records import Preprocessing

    given = importing.DeclaredIO(
        size,
        channels,
        scale.value if scale else None,
        output_activation.value if output_activation else None,
        positive_class,
    )
    center, width = parse_window(window)
    preprocessing = Preprocessing(window_center=center, window_width=width, bone_crop=crop)
    model = importing.import_file(file, name, user_io=given, preprocessing=preprocessing, note=note)
    found = importing.summarize_import(model)
    if as_json:
        output.print_json(found)
        return
    if model.has_out_of_fold:
        output.print_result(f"{model.id}: imported with its card and its out-of-fold numbers")
    else:
        origin = model.card.origin
        assert origin is not None
        size = model.preprocessing.size
        output.print_result(
            f"{model.id}: takes {size} x {size} x {origin.channels} in {origin.scale}, gives "
            f"{origin.output}, class {origin.positive_class} is fracture (from the file: "
            f"{', '.join(origin.recognised) or 'nothing'}); largest difference of a logit to the "
            f"network as it came: {found['largest_difference']:.2g}"
        )
        output.print_message(
            f"not calibrated, threshold {model.threshold:g} not chosen, no numbers yet: measure it "
            f"with `spinefrac evaluate {model.id} FOLDER`"
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
    as_json: output.JsonOption = False,
) -> None:
    """Copy the saved model NAME to URL/NAME, every file checked after it arrived.

    The card goes last: an interrupted push leaves nothing that pull takes for a model. The
    address of an S3-like store is in AWS_ENDPOINT_URL, its keys where the AWS tools have them.
    """
    from dataclasses import asdict

    from spinefrac.exchange import remote
    from spinefrac.store import repository

    with output.show_progress("pushing") as report:
        done = remote.push(repository.load(name), address, report)
    if as_json:
        output.print_json(asdict(done))
    else:
        said = "was there already" if done.already else f"pushed, {done.bytes / 1e6:.2f} MB"
        output.print_result(f"{done.model}: {said}, at {done.address}")


def pull(
    address: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="Where a model was pushed: URL/NAME.", show_default=False
        ),
    ],
    name: NameOption = None,
    as_json: output.JsonOption = False,
) -> None:
    """Copy the model at URL here, every file checked against its card before it appears."""
    from dataclasses import asdict

    from spinefrac.exchange import remote

    with output.show_progress("pulling") as report:
        done = remote.pull(address, name, report)
    if as_json:
        output.print_json(asdict(done))
    else:
        output.print_result(f"{done.model}: pulled from {done.address}, {done.bytes / 1e6:.2f} MB")


def log_model(name: NameArgument, as_json: output.JsonOption = False) -> None:
    """Tell the MLflow server in SPINEFRAC_MLFLOW_URI of the saved model NAME.

    Training does so by itself where that variable is set. Settings, history, metrics with their
    intervals, the card and the networks are logged; the out-of-fold answers, whose file names
    may name patients, are not.
    """
    from dataclasses import asdict

    from spinefrac.exchange import mlflow_logging
    from spinefrac.store import repository

    done = mlflow_logging.log_model(repository.load(name))
    if as_json:
        output.print_json(asdict(done))
    else:
        output.print_result(f"{name}: run {done.run}, version {done.version} at {done.address}")
