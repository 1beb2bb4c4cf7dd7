"""Where things live, read from ``SPINEFRAC_*`` variables at each call."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def home() -> Path:
    """Return the folder that holds ``models/``, ``runs/``, ``evaluations/`` and the history.

    ``SPINEFRAC_HOME`` if set. Otherwise the checkout that the package lies in, or, for an
    installed package, the user's data folder, such as ``~/.local/share/spinefrac`` on Linux.
    """
    if chosen := os.environ.get("SPINEFRAC_HOME"):
        return Path(chosen).expanduser().resolve()
    if is_checkout():
        return _CHECKOUT
    from platformdirs import user_data_path

    return user_data_path("spinefrac", appauthor=False)


def is_checkout() -> bool:
    """Return whether the package lies in a checkout, rather than among installed packages."""
    return (_CHECKOUT / "pyproject.toml").is_file()


def app_script() -> Path:
    """Return the script that Streamlit runs; its configuration lies beside it."""
    return _shipped_folder() / "app.py"


def shipped_models_dir() -> Path:
    """Return the folder of the models that come with spinefrac, which nobody writes into."""
    return _shipped_folder() / "models"


def documentation_dir() -> Path:
    """Return the folder that holds the documentation: `mkdocs.yml`, and the chapters in `docs`."""
    return _shipped_folder()


def _shipped_folder() -> Path:
    """Return the folder whose files a wheel brings as ``spinefrac/shipped``, see pyproject.toml."""
    return _CHECKOUT if is_checkout() else _PACKAGE / "shipped"


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
