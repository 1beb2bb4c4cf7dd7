"""A process of its own for one task on a model file from elsewhere.

It is a `WorkerPool` of one worker that takes one call, with limits that suit TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from spinefrac import extras
from spinefrac.errors import ModelError
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.worker_pool import WorkerPool
from spinefrac.system.worker_process import Failure


def run(
    function: Callable[[dict[str, Any]], Any],
    task: dict[str, Any],
    scratch: Path,
    limits: ResourceLimits | None = None,
) -> Any:
    """Call a function with a task in a process of its own and return its result.

    Parameters
    ----------
    function : callable
        Of a module that the process can import.
    task : dict
        Of numbers, texts, lists and dicts.
    scratch : Path
        A folder that is the process's home and temporary folder.
    limits : ResourceLimits, optional

    Returns
    -------
    object
        What the function returned.

    Raises
    ------
    ModelError
        The function raised one, or the process exceeded a limit or crashed.
    MissingPackageError
        Keras or another package that networks need is not installed here.
    """
    extras.require("train")
    pool = WorkerPool(
        function.__module__,
        limits or ResourceLimits(),
        _describe_failure,
        home=scratch,
        environment={
            "KERAS_HOME": str(scratch),
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
            # More threads would each map memory of their own.
            "OMP_NUM_THREADS": "2",
            "TF_NUM_INTEROP_THREADS": "1",
            "TF_NUM_INTRAOP_THREADS": "2",
        },
    )
    with closing(pool):
        return pool.call(function, task)


def _describe_failure(failure: Failure) -> ModelError:
    if failure.reason == "exception":
        return ModelError(
            f"The file cannot be read as a network ({failure.description}): expected one that "
            "Keras or ONNX Runtime opens; nothing was saved"
        )
    return ModelError(
        f"The file could not be processed safely: it {failure.description}; expected a network "
        "for single slices; nothing was saved"
    )
