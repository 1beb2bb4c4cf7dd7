"""`spinefrac models export|import|push|pull`: models that come and go."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output

Name = Annotated[str, typer.Argument(metavar="NAME", help="Saved model.", show_default=False)]
NewName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Name to save it under.", show_default=False),
]


class Scale(StrEnum):
    """Grey values that a network from elsewhere takes; see `store.asking.SCALES`."""

    WHOLE = "0..255"
    UNIT = "0..1"
    SIGNED = "-1..1"
    IMAGENET = "imagenet"
    IMAGENET_BGR = "imagenet-bgr"


class Output(StrEnum):
    """What a network from elsewhere gives."""

    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    LOGITS = "logits"


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A ZIP of `spinefrac models export`, or a network as .keras, .h5 or .onnx.",
            show_default=False,
        ),
    ],
    name: NewName = None,
    size: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Side of the square input.", show_default=False),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(metavar="1|3", help="Channels of the input.", show_default=False),
    ] = None,
    scale: Annotated[
        Scale | None,
        typer.Option(
            help="Grey values the network was trained on; imagenet and imagenet-bgr are the "
            "means and deviations of keras.applications' torch and caffe modes.",
            show_default=False,
        ),
    ] = None,
    output_form: Annotated[
        Output | None,
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
    as_json: output.Json = False,
) -> None:
    """Take a model from elsewhere, a ZIP or a network, after looking at it in a closed process.

    What the file does not say of how its network is asked must be given; nothing is guessed.
    A network has no numbers until `spinefrac evaluate` measures it, its threshold is 0.5 and its
    probability is not calibrated.
    """
    from spinefrac.cli.predict import parse_window
    from spinefrac.records import Preprocessing
    from spinefrac.store import importing

    given = importing.Answers(
        size,
        channels,
        scale.value if scale else None,
        output_form.value if output_form else None,
        positive_class,
    )
    center, width = parse_window(window)
    preprocessing = Preprocessing(window_center=center, window_width=width, bone_crop=crop)
    model = importing.import_file(file, name, given=given, preprocessing=preprocessing, note=note)
    found = importing.summary(model)
    if as_json:
        output.emit_json(found)
        return
    if model.measured:
        output.emit(f"{model.id}: imported with its card and its out-of-fold numbers")
    else:
        origin = model.card.origin
        assert origin is not None
        size = model.preprocessing.size
        output.emit(
            f"{model.id}: takes {size} x {size} x {origin.channels} in {origin.scale}, gives "
            f"{origin.output}, class {origin.positive_class} is fracture (from the file: "
            f"{', '.join(origin.recognised) or 'nothing'}); largest difference of a logit to the "
            f"network as it came: {found['largest_difference']:.2g}"
        )
        output.note(
            f"not calibrated, threshold {model.threshold:g} not chosen, no numbers yet: measure it "
            f"with `spinefrac evaluate {model.id} FOLDER`"
        )
