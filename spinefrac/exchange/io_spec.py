"""How a network from elsewhere is to be asked: what its file says, and what only people know.

Size and channels of the input and the form of the output often stand in the file. Which class
is the fracture never does, and which grey values it was trained on rarely: a wrong guess would
give answers that look right and are not. So what the file does not say must be given.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from spinefrac.errors import ModelError
from spinefrac.system import sandbox

#: Grey values a network takes: name, factor and offset on 0…255, for each of three channels.
INPUT_SCALES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "0..255": ((1.0,) * 3, (0.0,) * 3),
    "0..1": ((1 / 255,) * 3, (0.0,) * 3),
    "-1..1": ((1 / 127.5,) * 3, (-1.0,) * 3),
    # Means and deviations of ImageNet, as `keras.applications` ("torch" and "caffe") has them.
    "imagenet": (
        (1 / 255 / 0.229, 1 / 255 / 0.224, 1 / 255 / 0.225),
        (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
    "imagenet-bgr": ((1.0,) * 3, (-103.939, -116.779, -123.68)),
}
OUTPUT_ACTIVATIONS = ("sigmoid", "softmax", "logits")

#: Sides of a square input that are believable, in pixels.
INPUT_SIZE_RANGE = (16, 1024)


@dataclass(frozen=True, slots=True)
class DeclaredIO:
    """What is known of a network; None where it is not.

    Attributes
    ----------
    size : int
        Side of its square input, in pixels.
    channels : int
        1 or 3.
    scale : str
        A name in `INPUT_SCALES`.
    output : str
        One of `OUTPUT_ACTIVATIONS`.
    positive_class : int
        0 or 1: the class that stands for a fracture.
    """

    size: int | None = None
    channels: int | None = None
    scale: str | None = None
    output: str | None = None
    positive_class: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        wrong = [
            f"{name} {value!r}"
            for name, value, fits in (
                (
                    "size",
                    self.size,
                    self.size is None or INPUT_SIZE_RANGE[0] <= self.size <= INPUT_SIZE_RANGE[1],
                ),
                ("channels", self.channels, self.channels in (None, 1, 3)),
                ("scale", self.scale, self.scale is None or self.scale in INPUT_SCALES),
                ("output", self.output, self.output is None or self.output in OUTPUT_ACTIVATIONS),
                ("positive class", self.positive_class, self.positive_class in (None, 0, 1)),
            )
            if not fits
        ]
        if wrong:
            raise ModelError(
                f"Expected a size of {INPUT_SIZE_RANGE[0]} to {INPUT_SIZE_RANGE[1]}, 1 or 3 channels, a scale of "
                f"{', '.join(INPUT_SCALES)}, an output of {', '.join(OUTPUT_ACTIVATIONS)} and a positive class of "
                f"0 or 1; got {', '.join(wrong)}: import it as it was trained"
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


#: What has to be given for each of them, as on the command line.
CLI_OPTIONS = {
    "size": "--size PIXELS (side of the square input)",
    "channels": "--channels 1|3",
    "scale": f"--scale {'|'.join(INPUT_SCALES)} (grey values it was trained on)",
    "output": f"--output {'|'.join(OUTPUT_ACTIVATIONS)}",
    "positive_class": "--positive-class 0|1 (the class that is fracture: the column of two "
    "values, or what one value near it means)",
}


class UnresolvedIOError(ModelError):
    """Something that must be known of a network stands neither in its file nor was it given.

    Attributes
    ----------
    found : dict
        What the file said, by the names of `DeclaredIO`.
    missing : list of str
        What has to be given, by the same names.
    """

    def __init__(self, found: dict[str, Any], missing: list[str]) -> None:
        said = ", ".join(
            f"{name.replace('_', ' ')} {value}"
            for name, value in found.items()
            if value is not None
        )
        super().__init__(
            f"The file says {said or 'nothing of how to ask the network'}, and not the rest, which "
            f"is never guessed: give {', '.join(CLI_OPTIONS[name] for name in missing)}"
        )
        self.found = found
        self.missing = missing


sandbox.register_error_type(
    "UnresolvedIOError", lambda message: UnresolvedIOError(message["found"], message["missing"])
)


@dataclass(frozen=True, slots=True)
class IOSpec:
    """A network's conventions, complete: see `DeclaredIO`; `units` is 1 or 2 values a slice."""

    size: int
    channels: int
    scale: str
    output: str
    units: int
    positive_class: int
    recognised: tuple[str, ...]

    @property
    def factors(self) -> list[float]:
        return list(INPUT_SCALES[self.scale][0][: self.channels])

    @property
    def offsets(self) -> list[float]:
        return list(INPUT_SCALES[self.scale][1][: self.channels])


def resolve(file_io: DeclaredIO, units: int, user_io: DeclaredIO) -> IOSpec:
    """Put together what the file says and what was given.

    Parameters
    ----------
    file_io : Answers
        What the file itself says.
    units : int
        Values that the network gives for a slice.
    user_io : Answers
        What somebody who knows says.

    Returns
    -------
    Asked

    Raises
    ------
    UnresolvedIOError
        Something is in neither.
    ModelError
        They contradict each other, or it is no network for two classes.
    """
    if units not in (1, 2):
        raise ModelError(
            f"The network gives {units} values a slice, expected one, or two for two classes: "
            "spinefrac serves networks that tell fracture from no fracture"
        )
    for name in ("size", "channels", "output", "scale"):
        said, told = getattr(file_io, name), getattr(user_io, name)
        if said is not None and told is not None and said != told:
            raise ModelError(
                f"The file says {name} {said}, and {told} was given: leave --{name} out, or import "
                "the file that it is true of"
            )
    known = replace(
        file_io,
        **{name: value for name, value in user_io.to_dict().items() if value is not None},
    )
    missing = [name for name, value in known.to_dict().items() if value is None]
    if missing:
        raise UnresolvedIOError(file_io.to_dict(), missing)
    if known.output == ("softmax" if units == 1 else "sigmoid"):
        raise ModelError(
            f"The network gives {units} value{'s' if units > 1 else ''} a slice, which is no "
            f"{known.output}: expected one sigmoid, two softmax, or logits"
        )
    if known.scale in ("imagenet", "imagenet-bgr") and known.channels != 3:
        raise ModelError(
            f"The scale {known.scale} is of 3 channels, the network takes {known.channels}: give "
            "the scale it was trained on"
        )
    return IOSpec(
        units=units,
        recognised=tuple(n for n, value in file_io.to_dict().items() if value is not None),
        **known.to_dict(),
    )
