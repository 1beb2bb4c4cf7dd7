"""TensorFlow without its greetings."""

from __future__ import annotations

import os


def import_tensorflow() -> None:
    """Import TensorFlow and keep what its libraries say while they load off stderr.

    They greet before any log level is in force, so no variable silences them. A failing
    import still raises; only the process's own file descriptor is turned away meanwhile.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import keras  # noqa: F401 - loads TensorFlow
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
