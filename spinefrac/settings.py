"""Where things live, read from ``SPINEFRAC_*`` variables at each call."""

import os
from pathlib import Path

_PACKAGE_PARENT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """Return the folder that holds ``models/``, ``runs/``, ``evaluations/`` and the history.

    ``SPINEFRAC_HOME`` if set. Otherwise the checkout that the package lies in, or, for an
    installed package, the user's data folder, such as ``~/.local/share/spinefrac`` on Linux.
    """
    if chosen := os.environ.get("SPINEFRAC_HOME"):
        return Path(chosen).expanduser().resolve()
    if (_PACKAGE_PARENT / "pyproject.toml").is_file():
        return _PACKAGE_PARENT
    from platformdirs import user_data_path

    return user_data_path("spinefrac", appauthor=False)


def models_dir() -> Path:
    """Return the folder of saved models."""
    return home() / "models"


def runs_dir() -> Path:
    """Return the folder of training runs and their checkpoints."""
    return home() / "runs"


def data_roots() -> tuple[Path, ...]:
    """Return the folders that the Train page and REST may read.

    ``SPINEFRAC_DATA_ROOTS`` (separated as in ``PATH``) if set, otherwise ``HOME/data``.
    """
    value = os.environ.get("SPINEFRAC_DATA_ROOTS", "")
    roots = [part for part in value.split(os.pathsep) if part.strip()]
    if not roots:
        return (home() / "data",)
    return tuple(Path(root).expanduser().resolve() for root in roots)


def imports_allowed() -> bool:
    """Return whether users may import models on the page: where ``SPINEFRAC_ALLOW_IMPORT=on``."""
    return os.environ.get("SPINEFRAC_ALLOW_IMPORT", "").strip().lower() in (
        "on",
        "1",
        "yes",
        "true",
    )


def history_enabled() -> bool:
    """Return whether predictions are saved: unless ``SPINEFRAC_HISTORY=off`` (or ``0``, ``no``)."""
    return os.environ.get("SPINEFRAC_HISTORY", "on").strip().lower() not in _FALSE_VALUES


def history_images_enabled() -> bool:
    """Return whether images are saved too: where ``SPINEFRAC_HISTORY_PICTURES=on``."""
    value = os.environ.get("SPINEFRAC_HISTORY_PICTURES", "").strip().lower()
    return bool(value) and value not in _FALSE_VALUES


_FALSE_VALUES = ("off", "0", "no", "false")


def mlflow_uri() -> str:
    """Return the address of the MLflow server that every saved model is logged to, or nothing."""
    return os.environ.get("SPINEFRAC_MLFLOW_URI", "").strip()
