"""A heat map for a network whose head allows no exact one: Grad-CAM, in a process of its own.

The server never imports TensorFlow: a child process with limits on memory and time loads the
model's Keras file, passes the slice forward and back once, and returns the map.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from spinefrac import imaging
from spinefrac.errors import ModelError
from spinefrac.inference import gradcam_worker
from spinefrac.records import FloatImage, ModelInput
from spinefrac.store.repository import SavedModel
from spinefrac.system import sandbox
from spinefrac.system.resource_limits import ResourceLimits

#: Of the child process; loading TensorFlow alone takes 6 s of processor time and 0.6 GB.
RESOURCE_LIMITS = ResourceLimits(memory_mib=6144, file_mib=64, cpu_s=120, wall_s=180)


def compute_gradcam(
    model: SavedModel,
    model_input: ModelInput,
    shape: tuple[int, int],
    limits: ResourceLimits = RESOURCE_LIMITS,
) -> FloatImage:
    """Return the Grad-CAM of a slice; takes about ten seconds.

    Parameters
    ----------
    model : SavedModel
        With a Keras file.
    model_input : ModelInput
        `Prediction.input`.
    shape : (H, W)
        Of the slice.
    limits : ResourceLimits
        Of the child process.

    Returns
    -------
    float32 array, shape (H, W)
        In the slice's own pixels, at least 0; higher values raise the probability of fracture.
        Unlike an exact map it does not add up to the logit.

    Raises
    ------
    ModelError
        It cannot be computed; the message says why.
    """
    path = model.keras_path  # an ONNX import says here that it has none
    pixels = np.ascontiguousarray(model_input.pixels)
    task = {
        "model": str(path),
        "pixels": pixels.tobytes(),
        "size": len(pixels),
    }
    with tempfile.TemporaryDirectory() as scratch:
        try:
            found: FloatImage = sandbox.run(gradcam_worker.handle_task, task, Path(scratch), limits)
        except ModelError as error:
            raise ModelError(f"No heat map could be computed for this slice: {error}") from error
    return imaging.project_heatmap(found, model_input.square, shape)
