"""Augmentations by name: the built-in presets, saved ones, and files.

A saved preset is one YAML file below ``HOME/augmentations``, written atomically: of the server
itself in the folder, of a person in ``private/OWNER`` or, once it is shared, in ``shared/OWNER``.
Whoever asks finds the own ones and those of the server by their bare name, those of others that
they may see as ``OWNER/NAME``; the private ones of others are not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from spinefrac import settings
from spinefrac.access import policy
from spinefrac.access.policy import LOCAL, Action, Identity
from spinefrac.errors import ModelError, TrainingError
from spinefrac.store import identifiers
from spinefrac.system import atomic
from spinefrac.training.augmentation.config import PRESETS, AugmentationConfig
from spinefrac.training.augmentation.yaml_io import MAX_YAML_BYTES, from_yaml, to_yaml

_SUFFIX = ".yaml"
_PRIVATE, _SHARED = "private", "shared"
#: Before the owner in the name of a folder, which could be ``..`` otherwise.
_BY = "by-"


@dataclass(frozen=True, slots=True)
class NamedAugmentation:
    """An augmentation that can be chosen.

    Attributes
    ----------
    name : str
        By which whoever asked for it chooses it.
    config : AugmentationConfig or None
        None where its file cannot be used.
    is_preset : bool
        Whether it is part of spinefrac.
    error : str
        Why it cannot be used, else empty.
    owner : str
        Empty for those of spinefrac and of the server.
    shared : bool
        Whether others see it.
    """

    name: str
    config: AugmentationConfig | None
    is_preset: bool = False
    error: str = ""
    owner: str = ""
    shared: bool = True

    @property
    def bare_name(self) -> str:
        """The name without the owner."""
        return self.name.rpartition("/")[2]

    @property
    def full_name(self) -> str:
        """The name by which whoever sees everything, as the command line does, chooses it."""
        return f"{self.owner}/{self.bare_name}" if self.owner else self.name


@dataclass(frozen=True, slots=True)
class _Saved:
    """The file of a saved preset."""

    path: Path
    owner: str
    shared: bool

    def name_for(self, identity: Identity) -> str:
        """Return by which name somebody chooses it."""
        bare = self.path.stem
        return bare if self.owner in ("", identity.owner) else f"{self.owner}/{bare}"


def presets_dir() -> Path:
    """Return the folder of the saved presets."""
    return settings.home() / "augmentations"


def list_augmentations(identity: Identity) -> list[NamedAugmentation]:
    """Return the built-in presets, then saved ones that somebody may see, own ones first.

    Damaged ones come with their error.
    """
    found = [NamedAugmentation(name, config, is_preset=True) for name, config in PRESETS.items()]
    return found + [_describe(saved, identity) for saved in _list_saved(identity)]


def _describe(saved: _Saved, identity: Identity) -> NamedAugmentation:
    name = saved.name_for(identity)
    config, error = None, ""
    try:
        config = _read_yaml(saved.path, f"the saved augmentation {name}")
    except TrainingError as reason:
        error = str(reason)
    return NamedAugmentation(name, config, error=error, owner=saved.owner, shared=saved.shared)


def _list_saved(identity: Identity) -> list[_Saved]:
    """Return the files of the presets that somebody may see, own ones first."""
    found = [saved for saved in _list_all() if _may_see(identity, saved)]
    return sorted(found, key=lambda one: (one.owner != identity.owner, one.owner, one.path.stem))


def _may_see(identity: Identity, saved: _Saved) -> bool:
    return saved.shared or policy.permits(identity, Action.SEE_PRESET, owner=saved.owner)


def _list_all() -> Iterator[_Saved]:
    root = presets_dir()
    yield from (_Saved(path, "", True) for path in _list_files(root))
    for kind in (_PRIVATE, _SHARED):
        for folder in (root / kind).glob(f"{_BY}*"):
            owner = unquote(folder.name.removeprefix(_BY))
            yield from (_Saved(path, owner, kind == _SHARED) for path in _list_files(folder))


def _list_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob(f"*{_SUFFIX}") if not path.name.startswith("."))


def load(identity: Identity, name: str) -> AugmentationConfig:
    """Return a preset or a saved augmentation that somebody may see.

    Raises
    ------
    TrainingError
        There is none of this name for the person, or its file is damaged.
    """
    if name in PRESETS:
        return PRESETS[name]
    return _read_yaml(_find(identity, name).path, f"the saved augmentation {name}")


def _find(identity: Identity, name: str) -> _Saved:
    """Return the file of a saved preset.

    Raises
    ------
    TrainingError
        There is none of this name for the person.
    """
    found = {saved.name_for(identity): saved for saved in reversed(_list_saved(identity))}
    if name not in found:
        names = ", ".join([*PRESETS, *sorted(found)])
        raise TrainingError(f"there is no augmentation {name[:100]}; there are {names}")
    return found[name]


def save(
    identity: Identity, name: str, config: AugmentationConfig, *, overwrite: bool = False
) -> Path:
    """Save an augmentation under a name; a new one is private to whoever is signed in.

    Parameters
    ----------
    identity : Identity
        Whose it is.
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
    AccessError
        The person may not save presets, or not replace that one.
    TrainingError
        The name is not valid or in use, or the file cannot be written.
    """
    policy.require(identity, Action.SAVE_PRESET)
    try:
        identifiers.validate(name, "An augmentation", "gentle-turns")
    except ModelError as error:
        raise TrainingError(str(error)) from None
    if name in PRESETS:
        raise TrainingError(f"{name} is a preset and stays as it is: choose another name")
    path = _choose_path(identity, name, overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path, overwrite=overwrite) as temporary:
            temporary.write_text(to_yaml(config), encoding="utf-8", newline="\n")
    except OSError as error:
        if path.exists() and not overwrite:
            raise _make_in_use_error(name) from None
        raise TrainingError(
            f"the augmentation {name} cannot be saved ({error.strerror}): make room in "
            "SPINEFRAC_HOME, or make it writable"
        ) from error
    return path


def _choose_path(identity: Identity, name: str, overwrite: bool) -> Path:
    """Return the file of an own preset; that of the server where it has one of the name."""
    same = [
        saved
        for saved in _list_saved(identity)
        if saved.path.stem == name and saved.owner in ("", identity.owner)
    ]
    if not same:
        return _make_path(name, identity.owner, shared=not identity.owner)
    if not overwrite:
        raise _make_in_use_error(name)
    policy.require(identity, Action.CHANGE_PRESET, owner=same[0].owner)
    return same[0].path


def _make_in_use_error(name: str) -> TrainingError:
    return TrainingError(
        f"there is an augmentation {name} already: choose another name, or replace it"
    )


def _make_path(name: str, owner: str, *, shared: bool) -> Path:
    if not owner:
        return presets_dir() / f"{name}{_SUFFIX}"
    kind = _SHARED if shared else _PRIVATE
    return presets_dir() / kind / f"{_BY}{quote(owner, safe='@')}" / f"{name}{_SUFFIX}"


def share(identity: Identity, name: str, *, shared: bool) -> None:
    """Show a saved augmentation to others, or to nobody but its owner and admins.

    Raises
    ------
    AccessError
        It is not the person's.
    TrainingError
        There is none of this name for the person, or it is the server's, which everybody sees.
    """
    saved = _find_changeable(identity, name)
    if not saved.owner:
        raise TrainingError(
            f"{name} is the server's and everybody sees it: save a copy of your own"
        )
    target = _make_path(saved.path.stem, saved.owner, shared=shared)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        saved.path.rename(target)
    except OSError as error:
        raise TrainingError(f"{name} cannot be moved ({error.strerror})") from error


def delete(identity: Identity, name: str) -> None:
    """Remove a saved augmentation, also a damaged one.

    Raises
    ------
    AccessError
        It is not the person's.
    TrainingError
        It is a preset, or there is none for the person.
    """
    if name in PRESETS:
        raise TrainingError(f"{name} is a preset and stays")
    try:
        _find_changeable(identity, name).path.unlink()
    except FileNotFoundError:
        raise TrainingError(f"there is no augmentation {name}") from None
    except OSError as error:
        raise TrainingError(f"{name} cannot be deleted ({error.strerror})") from error


def _find_changeable(identity: Identity, name: str) -> _Saved:
    saved = _find(identity, name)
    policy.require(identity, Action.CHANGE_PRESET, owner=saved.owner)
    return saved


def load_by_name_or_path(name_or_path: str) -> AugmentationConfig:
    """Return the augmentation of a built-in preset, a saved preset, or a YAML file.

    Whoever sits at the machine itself sees the presets of everybody.

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
    saved = {one.name_for(LOCAL) for one in _list_saved(LOCAL)}
    try:
        if name_or_path in PRESETS or name_or_path in saved:
            return load(LOCAL, name_or_path)
        if path.is_file():
            return _read_yaml(path, name_or_path)
    except (OSError, ValueError) as error:  # a name too long, or with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise TrainingError(f"{name_or_path[:100]!r} cannot be read ({reason})") from error
    if identifiers.is_valid(name_or_path):
        return load(LOCAL, name_or_path)  # says which there are
    raise TrainingError(
        f"expected {', '.join(PRESETS)}, the name of a saved augmentation or a YAML file, got "
        f"{name_or_path[:100]!r}, and there is no such file"
    )


def _read_yaml(path: Path, description: str) -> AugmentationConfig:
    try:
        with path.open("rb") as stream:
            return from_yaml(stream.read(MAX_YAML_BYTES + 1))
    except OSError as error:
        raise TrainingError(f"{description} cannot be read ({error.strerror})") from error
    except TrainingError as error:
        raise TrainingError(f"{description}: {error}") from None
