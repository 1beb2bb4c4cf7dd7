"""Packages that an installation may lack: the optional dependencies of pyproject.toml, by extra."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from spinefrac.errors import MissingPackageError

Extra = Literal["train", "cluster", "serve"]

#: What must be importable for an extra; its other packages come along with these.
_MODULES: dict[Extra, tuple[str, ...]] = {
    "train": ("tensorflow", "keras", "tf2onnx"),
    "cluster": ("distributed",),
    "serve": ("fastapi", "limits", "prometheus_client"),
}

_EXPLANATIONS: dict[Extra, str] = {
    "train": "Training, and reading or writing networks of other tools, need TensorFlow, which is "
    "not installed here: install it with `pip install 'spinefrac[train]'`, or do it on a computer "
    "that has it and import the model here with `spinefrac models import`",
    "cluster": "Training on a cluster needs Dask, which is not installed here: install it with "
    "`pip install 'spinefrac[cluster]'`, or train without a cluster",
    "serve": "A server with REST needs packages that are not installed here: install them with "
    "`pip install 'spinefrac[serve]'`, or start the pages alone with `spinefrac app`",
}


def explain_missing(extra: Extra) -> str | None:
    """Return a sentence on what is missing for an extra and what to do, or None."""
    present = all(_is_installed(module) for module in _MODULES[extra])
    return None if present else _EXPLANATIONS[extra]


def require(extra: Extra) -> None:
    """Refuse work whose packages are not installed.

    Raises
    ------
    MissingPackageError
        The message says what to install.
    """
    if problem := explain_missing(extra):
        raise MissingPackageError(problem)


def find_extra(module: str) -> Extra | None:
    """Return the extra that brings a module, or None."""
    top = module.partition(".")[0]
    return next((extra for extra, modules in _MODULES.items() if top in modules), None)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # hidden, see `hidden_modules`
        return False
