"""The random transforms of training slices: range and probability of each, presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from spinefrac.errors import TrainingError

#: One number, the largest amount to either side, or the lowest and the highest value.
Range = float | tuple[float, float]

#: The transforms in the order in which they are applied.
TRANSFORMS = (
    "flip",
    "rotation",
    "zoom",
    "shift",
    "sharpness",
    "brightness",
    "contrast",
    "noise",
)

#: Lowest and highest value that each range may reach; a flip has none.
LIMITS: dict[str, tuple[float, float]] = {
    "rotation": (-180.0, 180.0),
    "zoom": (-0.9, 0.9),
    "shift": (-0.5, 0.5),
    "sharpness": (-1.0, 1.0),
    "brightness": (-1.0, 1.0),
    "contrast": (-0.9, 0.9),
    "noise": (0.0, 0.5),
}


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """Ranges of the random transforms of a training slice, drawn anew in every epoch.

    A range is one number, the largest amount to either side, or a pair (low, high). Each
    transform draws its value evenly from its range, and is applied with its probability. A range
    of zero, or a probability of zero, switches it off.

    Attributes
    ----------
    rotation : float or (float, float)
        Degrees, counter-clockwise.
    zoom : float or (float, float)
        Relative change of size: 0.1 draws factors from 0.9 to 1.1.
    brightness : float or (float, float)
        Shift of the grey values, as a share of the full range of 255.
    shift : float or (float, float)
        Displacement along each axis, to the right and down, as a share of the image's side.
    flip : bool
        Whether to mirror left and right.
    contrast : float or (float, float)
        Relative change of contrast around the image's mean.
    noise : float or (float, float)
        Standard deviation of added Gaussian noise, as a share of 255. One number is the largest.
    sharpness : float or (float, float)
        Share of the fine detail that is added, or removed where it is negative: -1 leaves the
        blurred image.
    rotation_probability, … : float
        Share of the epochs in which each transform is applied. That of the flip is 0.5, so that
        both sides are equally frequent.

    Raises
    ------
    TrainingError
        A value is outside its limits, or not a number.
    """

    rotation: Range = 15.0
    zoom: Range = 0.1
    brightness: Range = 0.08
    shift: Range = 0.06
    flip: bool = True
    contrast: Range = 0.15
    noise: Range = 0.02
    sharpness: Range = 0.0
    rotation_probability: float = 1.0
    zoom_probability: float = 1.0
    brightness_probability: float = 1.0
    shift_probability: float = 1.0
    flip_probability: float = 0.5
    contrast_probability: float = 1.0
    noise_probability: float = 1.0
    sharpness_probability: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise TrainingError(
                f"augmentation flip must be true or false, got {_format_value(self.flip)}; "
                "its share of the epochs is flip_probability"
            )
        for name in LIMITS:
            object.__setattr__(self, name, _validate_range(name, getattr(self, name)))
        for name in TRANSFORMS:
            key = f"{name}_probability"
            value = _validate_number(key, getattr(self, key))
            if not 0 <= value <= 1:
                raise TrainingError(
                    f"augmentation {key} must lie between 0 and 1, got {value:g}; 0 switches "
                    f"{name} off"
                )
            object.__setattr__(self, key, value)

    def get_range(self, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value of a transform that has a range."""
        value: Range = getattr(self, name)
        if isinstance(value, tuple):
            return value
        return (0.0 if LIMITS[name][0] == 0 else -value, value)

    def get_probability(self, name: str) -> float:
        """Return the share of the epochs in which a transform is applied."""
        return float(getattr(self, f"{name}_probability"))

    def is_enabled(self, name: str) -> bool:
        """Whether a transform can change anything."""
        has_effect = self.flip if name == "flip" else self.get_range(name) != (0.0, 0.0)
        return has_effect and self.get_probability(name) > 0

    def to_python_code(self) -> str:
        """Return the call that makes an equal object, as Python source."""
        defaults = {field.name: field.default for field in fields(self)}
        named = [
            field.name
            for field in fields(self)
            if not field.name.endswith("_probability")
            or getattr(self, field.name) != defaults[field.name]
        ]
        lines = [f"    {name}={getattr(self, name)!r}," for name in named]
        return "\n".join(["AugmentationConfig(", *lines, ")"])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields in JSON's types: a pair becomes a list."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AugmentationConfig:
        """Rebuild from the result of `to_dict`, also of a version with fewer transforms.

        Raises
        ------
        TrainingError
            A field is unknown or has an invalid value.
        """
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in data if name not in known]:
            raise TrainingError(
                f"unknown augmentation field {_format_value(unknown[0])}; there are "
                f"{', '.join(known)}"
            )
        return cls(**data)

    @classmethod
    def identity(cls) -> AugmentationConfig:
        """Return the configuration that changes nothing."""
        return cls(0.0, 0.0, 0.0, 0.0, False, 0.0, 0.0)


def _validate_range(name: str, value: Any) -> Range:
    """Return a range as float or pair, a pair around zero as one number."""
    lowest, highest = LIMITS[name]
    if not isinstance(value, tuple | list):
        number = _validate_number(name, value)
        if not 0 <= number <= highest:
            raise TrainingError(
                f"augmentation {name} must lie between 0 and {highest:g}, got {number:g}; "
                "0 switches it off"
            )
        return number
    if len(value) != 2:
        raise TrainingError(
            f"augmentation {name} must be one number or two, low and high, got {len(value)}"
        )
    low, high = (_validate_number(name, part) for part in value)
    if not lowest <= low <= high <= highest:
        raise TrainingError(
            f"augmentation {name} must go from low to high within {lowest:g} to {highest:g}, "
            f"got {low:g} to {high:g}"
        )
    return high if low == (0.0 if lowest == 0 else -high) else (low, high)


def _validate_number(name: str, value: Any) -> float:
    # True is an int in Python, but not a number here; nor is text that looks like one.
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise TrainingError(f"augmentation {name} must be a number, got {_format_value(value)}")
    return number


def _format_value(value: Any) -> str:
    """Return a short text of any value, for a message."""
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


#: Ready-made configurations by name. The standard one is the default.
PRESETS: dict[str, AugmentationConfig] = {
    "off": AugmentationConfig.identity(),
    "light": AugmentationConfig(
        rotation=7.0, zoom=0.05, brightness=0.04, shift=0.03, contrast=0.08, noise=0.01
    ),
    "standard": AugmentationConfig(),
    "strong": AugmentationConfig(
        rotation=30.0,
        zoom=0.15,
        brightness=0.12,
        shift=0.08,
        contrast=0.25,
        noise=0.04,
        sharpness=0.5,
        sharpness_probability=0.5,
    ),
}
