"""Augmentations by name: the built-in presets, saved ones, and files.

A saved preset is ``HOME/augmentations/NAME.yaml``, written atomically.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spinefrac import settings
from spinefrac.errors import ModelError, TrainingError
from spinefrac.store import identifiers
from spinefrac.system import atomic
from spinefrac.training.augmentation.config import PRESETS, AugmentationConfig
from spinefrac.training.augmentation.yaml_io import MAX_YAML_BYTES, from_yaml, to_yaml

_SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class NamedAugmentation:
    """An augmentation that can be chosen.

    Attributes
    ----------
    name : str
    config : AugmentationConfig or None
        None where its file cannot be used.
    is_preset : bool
        Whether it is part of spinefrac.
    error : str
        Why it cannot be used, else empty.
    """

    name: str
    config: AugmentationConfig | None
    is_preset: bool = False
    error: str = ""


def presets_dir() -> Path:
    """Return the folder of the saved presets."""
    return settings.home() / "augmentations"


def list_augmentations() -> list[NamedAugmentation]:
    """Return the built-in presets, then saved ones by name; damaged ones with their error."""
    found = [NamedAugmentation(name, config, is_preset=True) for name, config in PRESETS.items()]
    for path in sorted(presets_dir().glob(f"*{_SUFFIX}")) if presets_dir().is_dir() else ():
        if path.name.startswith("."):
            continue
        try:
            found.append(NamedAugmentation(path.stem, load(path.stem)))
        except TrainingError as error:
            found.append(NamedAugmentation(path.stem, None, error=str(error)))
    return found


def load(name: str) -> AugmentationConfig:
    """Return a preset or a saved augmentation.

    Raises
    ------
    TrainingError
        There is none of this name, or its file is damaged.
    """
    if name in PRESETS:
        return PRESETS[name]
    path = _preset_path(name)
    if not path.is_file():
        own = sorted(entry.stem for entry in presets_dir().glob(f"*{_SUFFIX}"))
        raise TrainingError(
            f"there is no augmentation {name}; there are {', '.join([*PRESETS, *own])}"
        )
    return _read_yaml(path, f"the saved augmentation {name}")


def save(name: str, config: AugmentationConfig, *, overwrite: bool = False) -> Path:
    """Save an augmentation under a name.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and hyphens; not that of a built-in preset.
    config : AugmentationConfig
    overwrite : bool
        Whether to replace a saved preset of this name.

    Returns
    -------
    Path
        Its file.

    Raises
    ------
    TrainingError
        The name is not valid or in use, or the file cannot be written.
    """
    path = _preset_path(name)
    if name in PRESETS:
        raise TrainingError(f"{name} is a preset and stays as it is: choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path, overwrite=overwrite) as temporary:
            temporary.write_text(to_yaml(config), encoding="utf-8", newline="\n")
    except OSError as error:
        if path.exists() and not overwrite:
            raise TrainingError(
                f"there is an augmentation {name} already: choose another name, or replace it"
            ) from None
        raise TrainingError(
            f"the augmentation {name} cannot be saved ({error.strerror}): make room in "
            "SPINEFRAC_HOME, or make it writable"
        ) from error
    return path


def delete(name: str) -> None:
    """Remove a saved augmentation, also a damaged one.

    Raises
    ------
    TrainingError
        It is a preset, or there is none.
    """
    if name in PRESETS:
        raise TrainingError(f"{name} is a preset and stays")
    try:
        _preset_path(name).unlink()
    except FileNotFoundError:
        raise TrainingError(f"there is no augmentation {name}") from None
    except OSError as error:
        raise TrainingError(f"{name} cannot be deleted ({error.strerror})") from error


def load_by_name_or_path(name_or_path: str) -> AugmentationConfig:
    """Return the augmentation of a built-in preset, a saved preset, or a YAML file.

    Parameters
    ----------
    name_or_path : str
        A name, or the path of a file. A name has priority over a file of the same name;
        ``./NAME`` is always the file.

    Raises
    ------
    TrainingError
        It is neither, or the file is not an augmentation.
    """
    path = Path(name_or_path)
    try:
        if name_or_path in PRESETS or (
            identifiers.is_valid(name_or_path) and _preset_path(name_or_path).is_file()
        ):
            return load(name_or_path)
        if path.is_file():
            return _read_yaml(path, name_or_path)
    except (OSError, ValueError) as error:  # a name too long, or with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise TrainingError(f"{name_or_path[:100]!r} cannot be read ({reason})") from error
    if identifiers.is_valid(name_or_path):
        return load(name_or_path)  # says which there are
    raise TrainingError(
        f"expected {', '.join(PRESETS)}, the name of a saved augmentation or a YAML file, got "
        f"{name_or_path[:100]!r}, and there is no such file"
    )


def _preset_path(name: str) -> Path:
    try:
        return (
            presets_dir()
            / f"{identifiers.validate(name, 'An augmentation', 'gentle-turns')}{_SUFFIX}"
        )
    except ModelError as error:
        raise TrainingError(str(error)) from None


def _read_yaml(path: Path, description: str) -> AugmentationConfig:
    try:
        with path.open("rb") as stream:
            return from_yaml(stream.read(MAX_YAML_BYTES + 1))
    except OSError as error:
        raise TrainingError(f"{description} cannot be read ({error.strerror})") from error
    except TrainingError as error:
        raise TrainingError(f"{description}: {error}") from None
