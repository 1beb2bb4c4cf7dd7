"""The demonstration model in a new HOME of an installed package."""

from __future__ import annotations

import shutil

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.store import saving
from spinefrac.system import private_files


def provide_models() -> None:
    """Copy the models that a wheel brings into a HOME that has no folder of models yet.

    Whoever deletes them keeps an empty folder, so they do not come back. In a checkout they are
    where they belong: in its own HOME.

    Raises
    ------
    ModelError
        HOME cannot be written.
    """
    shipped, models = settings.shipped_models_dir(), settings.models_dir()
    if models.exists() or settings.is_checkout() or not shipped.is_dir():
        return
    try:
        private_files.make_folder(models)
        for source in sorted(shipped.iterdir()):
            with saving.unfinished_folder(models, source.name) as folder:
                shutil.copytree(source, folder, dirs_exist_ok=True)
                saving.publish_folder(folder, source.name)
    except OSError as error:
        raise ModelError(
            f"The demonstration model cannot be copied to {models} ({error.strerror or error}): "
            "make room or permit writing there, or set SPINEFRAC_HOME to another folder"
        ) from error
