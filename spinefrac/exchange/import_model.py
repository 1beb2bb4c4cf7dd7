"""Take a model from elsewhere onto the shelf: a spinefrac ZIP, a Keras file, an ONNX file.

Nothing of the file is parsed in this process: a child with little memory and time does that,
see `limited`, and leaves verified files in a folder that appears by one rename, or not at all.
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
from spinefrac.exchange import validation
from spinefrac.exchange.io_spec import DeclaredIO
from spinefrac.records import Preprocessing
from spinefrac.store import card as cards
from spinefrac.store import identifiers, repository, saving
from spinefrac.store.card import Calibration, Card, FileRecord, Origin
from spinefrac.system import sandbox
from spinefrac.system.atomic import fsync_path
from spinefrac.system.versions import collect_versions

#: Endings of the files that can be imported, and what is in them.
FORMATS = {".zip": "zip", ".keras": "keras", ".h5": "h5", ".hdf5": "h5", ".onnx": "onnx"}

#: Foreign networks were trained on whole pictures, as a rule.
DEFAULT_PREPROCESSING = Preprocessing(bone_crop=False)

_WORKER = "spinefrac.exchange.import_worker"

#: Folder within the unfinished model in which the child works; gone before it appears.
_SCRATCH_FOLDER = "scratch"


def import_file(
    path: Path,
    name: str | None = None,
    *,
    user_io: DeclaredIO | None = None,
    preprocessing: Preprocessing = DEFAULT_PREPROCESSING,
    note: str = "",
    limits: sandbox.ResourceLimits | None = None,
) -> repository.SavedModel:
    """Take a file from elsewhere as a saved model.

    Parameters
    ----------
    path : Path
        A ZIP of `exporting.export`, a ``.keras``, ``.h5`` or ``.onnx`` file.
    name : str, optional
        Name on the shelf; that of the exported model, or the file's.
    user_io : Answers, optional
        What a Keras or ONNX file does not say of how its network is asked.
    preprocessing : Preprocessing
        How a slice becomes its input; the size is the network's.
    note : str
        What the model is for.
    limits : Limits, optional
        Of the child that looks at the file.

    Returns
    -------
    SavedModel
        Without out-of-fold numbers, unless it came from a ZIP.

    Raises
    ------
    UnresolvedIOError
        Something must be known that the file does not say.
    ModelError
        The file is not let through, the name is in use, or the disk does not take it.
    """
    kind = _detect_format(path)
    wanted = identifiers.slugify(path.stem) if name is None and kind != "zip" else name
    if wanted is not None:
        saving.check_id_unused(wanted)
    try:
        models = settings.models_dir()
        models.mkdir(parents=True, exist_ok=True)
        with saving.unfinished_folder(models, wanted or "import") as folder:
            scratch = folder / _SCRATCH_FOLDER
            scratch.mkdir()
            source = scratch / path.name
            shutil.copyfile(path, source)  # what is checked is then what is read
            task = {
                "file": str(source),
                "folder": str(folder),
                "format": kind,
                "given": (user_io or DeclaredIO()).to_dict(),
                "preprocessing": preprocessing.to_dict(),
            }
            result = sandbox.run(_WORKER, task, scratch, limits)
            if kind != "zip":
                _write_card(folder, source, str(wanted), kind, result, preprocessing, note)
            shutil.rmtree(scratch)
            wanted = wanted or repository.open_folder(folder).card.id
            saving.publish_folder(folder, wanted)
    except OSError as error:
        raise ModelError(
            f"{path.name} cannot be imported ({error.strerror or error}), nothing was kept: make "
            "room in the models' folder or permit writing there, and import it again"
        ) from error
    return repository.load(wanted)


def _detect_format(path: Path) -> str:
    if not path.is_file():
        raise ModelError(
            f"Expected a file to import, got {path}: give a .zip, .keras, .h5 or .onnx file"
        )
    if path.suffix.lower() not in FORMATS:
        raise ModelError(
            f"{path.name} has the ending {path.suffix or 'of nothing'!r}, expected .zip, .keras, "
            ".h5 or .onnx: rename it to what it is, or export it as one of these"
        )
    validation.check_file_size(path)
    return FORMATS[path.suffix.lower()]


def _write_card(
    folder: Path,
    source: Path,
    model_id: str,
    kind: str,
    result: dict[str, Any],
    preprocessing: Preprocessing,
    note: str,
) -> None:
    """Write the card of a network of which only its answers are known."""
    asked = result["asked"]
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = Origin(
        format=kind,
        file=source.name,
        sha256=digest,
        imported=cards.utc_now(),
        recognised=tuple(asked["recognised"]),
        **{key: asked[key] for key in ("channels", "scale", "output", "units", "positive_class")},
    )
    files = {}
    for name in repository.ARTIFACT_FILES:
        if (folder / name).exists():
            fsync_path(folder / name)
            files[name] = FileRecord(*repository.hash_file(folder / name))
    card = Card(
        id=model_id,
        note=note,
        created=origin.imported,
        data=None,
        preprocessing=replace(preprocessing, size=asked["size"]),
        network=f"imported ({kind})",
        parameters=result["parameters"],
        settings={},
        folds=(),
        metrics=None,
        calibration=Calibration(1.0, "none: the model was imported and is not calibrated"),
        operating_point=DEFAULT_OPERATING_POINT,
        input_check={},
        keras_onnx_max_difference=result["difference"],
        versions=collect_versions(cards.RECORDED_PACKAGES),
        files=files,
        heatmap="none",
        origin=origin,
        output="model.keras, where there is one, returns the probability of fracture, uncalibrated",
    )
    (folder / repository.CARD_FILE).write_bytes(cards.dump(card))
    fsync_path(folder / repository.CARD_FILE)
    fsync_path(folder)


def summarize_import(model: repository.SavedModel) -> dict[str, Any]:
    """Return what an import found, in JSON's types."""
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
