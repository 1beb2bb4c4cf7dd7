"""Folders of labelled slices that the person may read: the server's, and uploaded data sets."""

from __future__ import annotations

from pathlib import Path

from spinefrac.access import datasets
from spinefrac.access.datasets import Dataset
from spinefrac.access.policy import Identity
from spinefrac.data import data_roots
from spinefrac.errors import DatasetError, SignInError
from spinefrac.ui.common import visitor

#: Stands between the name of an uploaded data set and its id in an option.
_SEPARATOR = " · "


def list_roots() -> tuple[Path, ...]:
    """Return the folders that the person may read slices in."""
    identity = visitor.get()
    return datasets.list_roots(identity) if identity else ()


def list_options() -> list[str]:
    """Return what can be chosen: uploaded data sets by name, then folders of the server."""
    identity = _require_identity()
    roots = list_roots()
    uploads = datasets.uploads_dir().resolve()
    on_server = [
        folder
        for folder in data_roots.list_dataset_folders(roots)
        if not folder.resolve().is_relative_to(uploads)
    ]
    uploaded = [make_option(dataset) for dataset in datasets.list_datasets(identity)]
    return [*uploaded, *(data_roots.display_path(folder, roots) for folder in on_server)]


def make_option(dataset: Dataset) -> str:
    """Return an uploaded data set as people choose it; `resolve` takes it back."""
    return f"{dataset.name}{_SEPARATOR}{dataset.id}"


def display(folder: Path) -> str:
    """Return a folder as people choose it; `resolve` takes it back."""
    if dataset := datasets.find_by_folder(folder):
        return make_option(dataset)
    return data_roots.display_path(folder, list_roots())


def resolve(text: str) -> Path:
    """Return the folder that the person typed or chose.

    Raises
    ------
    DatasetError
        There is none, or not for this person.
    """
    identity = _require_identity()
    for dataset in datasets.list_datasets(identity):
        if text.strip() == make_option(dataset):
            return dataset.folder
    return datasets.require_folder(identity, data_roots.resolve_folder(text, list_roots()))


def find(path: str) -> Path | None:
    """Return the folder that holds a slice of a data set, where the person may read it."""
    identity = visitor.get()
    if identity is None:
        return None
    found = data_roots.find_dataset_folder(path, list_roots())
    try:
        return None if found is None else datasets.require_folder(identity, found)
    except DatasetError:
        return None


def _require_identity() -> Identity:
    identity = visitor.get()
    if identity is None:
        raise SignInError("nobody is signed in: sign in first")
    return identity
