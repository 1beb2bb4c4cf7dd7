"""Import a model: a ZIP of spinefrac, a Keras file or an ONNX file.

The file is never parsed in this process: a child process with limits on memory and time does
that, see `system.sandbox`, and writes verified files into a folder that appears by one rename,
or not at all.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.evaluation.operating_point import DEFAULT_OPERATING_POINT
from spinefrac.exchange import import_worker, validation
from spinefrac.exchange.io_spec import DeclaredIO
from spinefrac.records import Preprocessing
from spinefrac.store import card as cards
from spinefrac.store import identifiers, manage, repository, saving
from spinefrac.store.card import Calibration, Card, FileRecord, Origin
from spinefrac.system import private_files, sandbox
from spinefrac.system.atomic import fsync_path
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.versions import collect_versions

#: Suffixes of the files that can be imported, and their formats.
FORMATS = {".zip": "zip", ".keras": "keras", ".h5": "h5", ".hdf5": "h5", ".onnx": "onnx"}

#: Other tools train on whole images, as a rule.
DEFAULT_PREPROCESSING = Preprocessing(bone_crop=False)

#: Home of the child process within the unfinished model; removed before the model appears.
_SCRATCH_FOLDER = "scratch"


def import_file(
    path: Path,
    name: str | None = None,
    *,
    user_io: DeclaredIO | None = None,
    preprocessing: Preprocessing = DEFAULT_PREPROCESSING,
    note: str = "",
    limits: ResourceLimits | None = None,
) -> repository.SavedModel:
    """Import a file as a saved model.

    Parameters
    ----------
    path : Path
        A ZIP of `export.export_model`, a ``.keras``, ``.h5`` or ``.onnx`` file.
    name : str, optional
        Name of the saved model; by default that of the exported model, or the file's.
    user_io : DeclaredIO, optional
        What a Keras or ONNX file does not say about its input and output.
    preprocessing : Preprocessing
        How a slice becomes its input; the size is the network's.
    note : str
        What the model is for.
    limits : ResourceLimits, optional
        Of the child process that reads the file.

    Returns
    -------
    SavedModel
        Without out-of-fold predictions, unless it came from a ZIP.

    Raises
    ------
    io_spec.UnresolvedIOError
        Something about input or output is neither in the file nor in `user_io`.
    ModelError
        The file is refused, the name is in use, or the disk is full.
    """
    file_format = _detect_format(path)
    if name is None and file_format != "zip":
        name = identifiers.slugify(path.stem)
    task = {
        "format": file_format,
        "user_io": (user_io or DeclaredIO()).to_dict(),
        "preprocessing": preprocessing.to_dict(),
    }
    model = repository.load(_import_into_models(path, name, task, note, limits))
    # Whoever trained it elsewhere may have the name of another person here.
    return manage.set_owner(model.id, "") if model.owner else model


def _import_into_models(
    path: Path,
    name: str | None,
    task: dict[str, Any],
    note: str,
    limits: ResourceLimits | None,
) -> str:
    """Write the saved model's folder and let it appear; return its name."""
    if name is not None:
        saving.check_id_unused(name)
    try:
        models = settings.models_dir()
        private_files.make_folder(models)
        with saving.unfinished_folder(models, name or "import") as folder:
            result = _run_worker(path, folder, task, limits)
            if name is not None and task["format"] != "zip":
                preprocessing = Preprocessing(**task["preprocessing"])
                _write_card(folder, _build_card(folder, name, result, preprocessing, note))
            name = name or repository.open_folder(folder).card.id
            saving.publish_folder(folder, name)
            return name
    except OSError as error:
        raise ModelError(
            f"{path.name} cannot be imported ({error.strerror or error}), nothing was saved: make "
            "room in the models' folder or permit writing there, and import it again"
        ) from error


def _run_worker(
    path: Path, folder: Path, task: dict[str, Any], limits: ResourceLimits | None
) -> dict[str, Any]:
    """Have a child process verify a copy of the file and write the networks into `folder`.

    Returns
    -------
    dict
        The result of `import_worker.handle_task`, with ``origin`` of the file: its format, name,
        SHA-256 and the time.
    """
    scratch = folder / _SCRATCH_FOLDER
    scratch.mkdir()
    copy = scratch / path.name
    shutil.copyfile(path, copy)  # the bytes that are checked are the bytes that are loaded
    task = {**task, "file": str(copy), "folder": str(folder)}
    result: dict[str, Any] = sandbox.run(import_worker.handle_task, task, scratch, limits)
    with copy.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    shutil.rmtree(scratch)
    origin = {
        "format": task["format"],
        "file": path.name,
        "sha256": digest,
        "imported": cards.utc_now(),
    }
    return {**result, "origin": origin}


def _detect_format(path: Path) -> str:
    """Return the format by the suffix; refuse what is no file, or too large."""
    if not path.is_file():
        raise ModelError(
            f"Expected a file to import, got {path}: give a .zip, .keras, .h5 or .onnx file"
        )
    if path.suffix.lower() not in FORMATS:
        raise ModelError(
            f"{path.name} has the suffix {path.suffix or 'none'!r}, expected .zip, .keras, .h5 or "
            ".onnx: rename it to what it is, or export it as one of these"
        )
    validation.check_file_size(path)
    return FORMATS[path.suffix.lower()]


def _build_card(
    folder: Path,
    model_id: str,
    result: dict[str, Any],
    preprocessing: Preprocessing,
    note: str,
) -> Card:
    """Return the card of a network without training data, metrics and calibration."""
    spec = result["io_spec"]
    in_origin = ("channels", "scale", "output", "units", "positive_class")
    origin = Origin(
        recognised=tuple(spec["recognised"]),
        **result["origin"],
        **{key: spec[key] for key in in_origin},
    )
    return Card(
        id=model_id,
        note=note,
        created=origin.imported,
        data=None,
        preprocessing=replace(preprocessing, size=spec["size"]),
        network=f"imported ({origin.format})",
        parameters=result["parameters"],
        settings={},
        folds=(),
        metrics=None,
        calibration=Calibration(1.0, "none: the model was imported and is not calibrated"),
        operating_point=DEFAULT_OPERATING_POINT,
        input_check={},
        keras_onnx_max_difference=result["difference"],
        versions=collect_versions(cards.RECORDED_PACKAGES),
        files={
            name: FileRecord(*repository.hash_file(folder / name))
            for name in repository.ARTIFACT_FILES
            if (folder / name).exists()
        },
        heatmap="none",
        origin=origin,
        output="model.keras, where there is one, returns the probability of fracture, uncalibrated",
    )


def _write_card(folder: Path, card: Card) -> None:
    """Write the card and wait until it and the networks are on the disk."""
    (folder / repository.CARD_FILE).write_bytes(cards.dump(card))
    for name in (*card.files, repository.CARD_FILE):
        fsync_path(folder / name)
    fsync_path(folder)


def summarize_import(model: repository.SavedModel) -> dict[str, Any]:
    """Return the result of an import, in JSON's types."""
    origin = model.card.origin
    return {
        "model": model.id,
        "measured": model.has_out_of_fold,
        "size": model.preprocessing.size,
        "threshold": model.threshold,
        "largest_difference": model.card.keras_onnx_max_difference,
        "origin": asdict(origin) if origin else None,
    }


__all__ = ["DEFAULT_PREPROCESSING", "FORMATS", "DeclaredIO", "import_file", "summarize_import"]
