"""Input and output of an imported network: what its file says, and what only the user knows.

Input size, channels and output activation are often in the file. Which class is the fracture
never is, and the scale of the training images rarely: a wrong guess would give predictions that
look right and are not. So what the file does not say must be declared.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from spinefrac.errors import ModelError
from spinefrac.system.worker_pool import register_error_type

#: Scale of the input: name, factor and offset on 0…255, for each of three channels.
INPUT_SCALES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "0..255": ((1.0,) * 3, (0.0,) * 3),
    "0..1": ((1 / 255,) * 3, (0.0,) * 3),
    "-1..1": ((1 / 127.5,) * 3, (-1.0,) * 3),
    # Means and standard deviations of ImageNet, the modes "torch" and "caffe" of
    # `keras.applications.imagenet_utils.preprocess_input`.
    "imagenet": (
        (1 / 255 / 0.229, 1 / 255 / 0.224, 1 / 255 / 0.225),
        (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
    "imagenet-bgr": ((1.0,) * 3, (-103.939, -116.779, -123.68)),
}
OUTPUT_ACTIVATIONS = ("sigmoid", "softmax", "logits")

#: Accepted sides of a square input, in pixels.
INPUT_SIZE_RANGE = (16, 1024)


@dataclass(frozen=True, slots=True)
class DeclaredIO:
    """What is known of a network's input and output; None where it is not known.

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

    Raises
    ------
    ModelError
        A value is not one of these.
    """

    size: int | None = None
    channels: int | None = None
    scale: str | None = None
    output: str | None = None
    positive_class: int | None = None

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        low, high = INPUT_SIZE_RANGE
        accepted = {
            "size": range(low, high + 1),
            "channels": (1, 3),
            "scale": INPUT_SCALES,
            "output": OUTPUT_ACTIVATIONS,
            "positive_class": (0, 1),
        }
        wrong = [
            f"{name.replace('_', ' ')} {value!r}"
            for name, value in self.to_dict().items()
            if value is not None and value not in accepted[name]
        ]
        if wrong:
            raise ModelError(
                f"Expected a size of {low} to {high}, 1 or 3 channels, a scale of "
                f"{', '.join(INPUT_SCALES)}, an output of {', '.join(OUTPUT_ACTIVATIONS)} and a "
                f"positive class of 0 or 1; got {', '.join(wrong)}: declare the network as it was "
                "trained"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, in JSON's types."""
        return asdict(self)


#: The command line option that declares each field.
CLI_OPTIONS = {
    "size": "--size PIXELS (side of the square input)",
    "channels": "--channels 1|3",
    "scale": f"--scale {'|'.join(INPUT_SCALES)} (scale of the images it was trained on)",
    "output": f"--output {'|'.join(OUTPUT_ACTIVATIONS)}",
    "positive_class": "--positive-class 0|1 (the class that is fracture: the column of two "
    "values, or what one value near it means)",
}


class UnresolvedIOError(ModelError):
    """A field of the input or output is neither in the network's file nor declared.

    Attributes
    ----------
    found : dict
        What the file says, by the names of `DeclaredIO`.
    missing : list of str
        What must be declared, by the same names.
    """

    def __init__(self, found: dict[str, Any], missing: list[str]) -> None:
        stated = ", ".join(
            f"{name.replace('_', ' ')} {value}"
            for name, value in found.items()
            if value is not None
        )
        super().__init__(
            f"The file says {stated or 'nothing about its input and output'}, and not the rest, "
            f"which is never guessed: add {', '.join(CLI_OPTIONS[name] for name in missing)}"
        )
        self.found = found
        self.missing = missing


register_error_type(
    UnresolvedIOError,
    lambda reply: UnresolvedIOError(reply.attributes["found"], reply.attributes["missing"]),
)


@dataclass(frozen=True, slots=True)
class IOSpec:
    """Input and output of a network, complete.

    Attributes
    ----------
    size, channels, scale, output, positive_class
        As in `DeclaredIO`.
    units : int
        Number of output values for one slice, 1 or 2.
    recognised : tuple of str
        Names of the fields that were in the file.
    """

    size: int
    channels: int
    scale: str
    output: str
    units: int
    positive_class: int
    recognised: tuple[str, ...]

    @property
    def factors(self) -> list[float]:
        """Factor on grey values in 0…255, one for each channel."""
        return list(INPUT_SCALES[self.scale][0][: self.channels])

    @property
    def offsets(self) -> list[float]:
        """Offset added after the factor, one for each channel."""
        return list(INPUT_SCALES[self.scale][1][: self.channels])


def resolve(file_io: DeclaredIO, units: int, user_io: DeclaredIO) -> IOSpec:
    """Merge what the file says with what the user declares.

    Parameters
    ----------
    file_io : DeclaredIO
        Read from the file.
    units : int
        Number of output values for one slice.
    user_io : DeclaredIO
        From the user.

    Returns
    -------
    IOSpec

    Raises
    ------
    UnresolvedIOError
        A field is in neither.
    ModelError
        They contradict each other, or the network is not a classifier of two classes.
    """
    if units not in (1, 2):
        raise ModelError(
            f"The network returns {units} values for a slice, expected one, or two for two "
            "classes: spinefrac needs a network that tells fracture from no fracture"
        )
    _check_no_contradiction(file_io, user_io)
    in_file = {name: value for name, value in file_io.to_dict().items() if value is not None}
    by_user = {name: value for name, value in user_io.to_dict().items() if value is not None}
    known = replace(file_io, **by_user)
    if missing := [name for name, value in known.to_dict().items() if value is None]:
        raise UnresolvedIOError(file_io.to_dict(), missing)
    _check_consistency(known, units)
    return IOSpec(units=units, recognised=tuple(in_file), **known.to_dict())


def _check_no_contradiction(file_io: DeclaredIO, user_io: DeclaredIO) -> None:
    """Refuse a declared field that differs from the file's."""
    declared = user_io.to_dict()
    for name, in_file in file_io.to_dict().items():
        by_user = declared[name]
        if in_file is not None and by_user is not None and in_file != by_user:
            raise ModelError(
                f"The file says {name} {in_file}, and {by_user} was declared: leave "
                f"--{name.replace('_', '-')} out, or import the file that has it"
            )


def _check_consistency(known: DeclaredIO, units: int) -> None:
    """Refuse an activation that does not fit the output, or a scale that does not fit the input."""
    if known.output == ("softmax" if units == 1 else "sigmoid"):
        raise ModelError(
            f"The network returns {units} value{'s' if units > 1 else ''} for a slice, which is "
            f"no {known.output}: expected one sigmoid, two softmax, or logits"
        )
    if known.scale in ("imagenet", "imagenet-bgr") and known.channels != 3:
        raise ModelError(
            f"The scale {known.scale} needs 3 channels, the network takes {known.channels}: "
            "declare the scale it was trained on"
        )
