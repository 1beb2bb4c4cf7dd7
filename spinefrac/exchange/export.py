"""Write a saved model as one ZIP for other tools and other machines.

The archive holds the model's own files, more formats on request, a script that predicts without
this package, and what was verified about each. It appears by one link or rename of a finished
file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.exchange import archive, export_script
from spinefrac.exchange.export_formats import (
    FORMATS,
    REQUIRED_FORMATS,
    FormatExporter,
    FormatVerification,
)
from spinefrac.exchange.shared_files import SharedFiles, prepare_files
from spinefrac.exchange.threshold_agreement import ThresholdAgreement
from spinefrac.redaction import Output
from spinefrac.store import card_markdown, repository, saving
from spinefrac.system import atomic

__all__ = ["FORMATS", "REQUIRED_FORMATS", "ExportResult", "export_model"]

#: A temporary file that has not been written to for so long was left by a killed export.
_STALE_AFTER_S = 600


@dataclass(frozen=True, slots=True)
class ExportResult:
    """An archive that was written.

    Attributes
    ----------
    path : Path
    bytes : int
    names_kept : bool
        Whether file names, groups and series of the training slices are in it.
    formats : tuple of FormatVerification
    script : dict
        Result of `export_script.verify_script`.
    """

    path: Path
    bytes: int
    names_kept: bool
    formats: tuple[FormatVerification, ...]
    script: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields in JSON's types; the path is the one that was given."""
        return {**asdict(self), "path": str(self.path)}


def export_model(
    model: repository.SavedModel,
    target: Path,
    formats: Sequence[str] = (),
    *,
    keep_names: bool = False,
) -> ExportResult:
    """Write a saved model into a new ZIP.

    Parameters
    ----------
    model : SavedModel
    target : Path
        A new file ending in ``.zip``; nothing is overwritten.
    formats : sequence of str
        Of `FORMATS`; Keras and ONNX are always in it, where the model has them.
    keep_names : bool
        Whether file names, groups and series of the training slices, which may identify patients,
        are in the out-of-fold predictions; the card then says so. Otherwise they are numbers.

    Returns
    -------
    ExportResult

    Raises
    ------
    ModelError
        The target exists or cannot be written, a format cannot be made of this network, or it
        gives other probabilities when it is loaded again.
    """
    selected = _select_formats(model, formats)
    _check_target(target)
    try:
        with saving.unfinished_folder(settings.models_dir(), f"export-{model.id}") as work:
            folder, scratch = work / "bundle", work / "scratch"
            folder.mkdir()
            scratch.mkdir()
            shared = prepare_files(model, scratch, Output.EXPORT, keep_names=keep_names)
            _copy_model_files(shared, folder / archive.MODEL_FOLDER)
            verifications = FormatExporter(model, folder, scratch).export(selected)
            export_script.write_script(folder)
            script = export_script.verify_script(model, folder, scratch)
            _write_documentation(shared.model, folder, verifications, script)
            _publish_archive(folder, target)
    except OSError as error:
        raise ModelError(
            f"{target.name} cannot be written ({error.strerror or error}), nothing was exported: "
            "make room or choose another folder, and export again"
        ) from error
    return ExportResult(target, target.stat().st_size, keep_names, verifications, script)


def _select_formats(model: repository.SavedModel, formats: Sequence[str]) -> tuple[str, ...]:
    """Return the formats to write, in the order of `FORMATS`."""
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ModelError(
            f"Expected formats among {', '.join(FORMATS)}, got {unknown[0]!r}: choose one of them"
        )
    has_keras = repository.KERAS_FILE in model.card.files
    if not has_keras and set(formats) - {"onnx"}:
        _ = model.keras_path  # says why there is none
    always = REQUIRED_FORMATS if has_keras else ("onnx",)
    return tuple(name for name in FORMATS if name in always or name in formats)


def _check_target(target: Path) -> None:
    """Refuse a path that is no new ZIP in an existing folder."""
    if target.suffix.lower() != ".zip" or not target.parent.is_dir():
        raise ModelError(
            f"Expected a file ending in .zip in a folder that exists, got {target}: choose another"
        )
    if target.exists():
        raise ModelError(f"{target} exists already and is not overwritten: choose another name")


def _copy_model_files(shared: SharedFiles, folder: Path) -> None:
    """Copy the model's files, and the annotations where it has some."""
    folder.mkdir()
    for name, path in shared.paths.items():
        shutil.copyfile(path, folder / name)
    annotations = shared.model.path / repository.ANNOTATIONS_FILE
    if annotations.exists():
        shutil.copyfile(annotations, folder / annotations.name)


def _write_documentation(
    model: repository.SavedModel,
    folder: Path,
    verifications: tuple[FormatVerification, ...],
    script: dict[str, Any],
) -> None:
    """Write the model card with what was verified, and the same as JSON."""
    text = card_markdown.render_markdown(model).rstrip() + _describe_files(
        model, verifications, script
    )
    (folder / card_markdown.FILE_NAME).write_text(text, encoding="utf-8")
    report = {"formats": [asdict(entry) for entry in verifications], "predict.py": script}
    for name, content in (
        ("verification.json", report),
        ("preprocessing.json", model.preprocessing.to_dict()),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _describe_files(
    model: repository.SavedModel,
    verifications: tuple[FormatVerification, ...],
    script: dict[str, Any],
) -> str:
    """Return the section of the model card on the files in the archive, in Markdown."""
    rows = "\n".join(
        f"| `{entry.file}` | {entry.format} | {entry.bytes / 1e6:.2f} MB | "
        f"{entry.largest_difference:.1e} | {entry.agreement.summarize()} |"
        for entry in verifications
    )
    losses = "".join(
        _describe_quantization_loss(entry.loss) for entry in verifications if entry.loss
    )
    return (
        "\n\n## Files in this archive\n\n"
        "Each was loaded again in a fresh process and compared with ONNX Runtime on the saved "
        f"model, on {script['slices']} synthetic slices and, as far as they exist, on blends of "
        "them next to the threshold; the difference is the largest of a probability.\n\n"
        "| file | format | size | difference | at the threshold |\n|---|---|---|---|---|\n"
        f"{rows}\n\n"
        "All take `image` (N, S, S, 1), grey values 0…255. `serving.onnx` returns the logit of "
        "each fold; the others return sigmoid(mean logit) before calibration. The calibrated "
        f"probability is sigmoid(mean logit / {model.temperature:.6f}).{losses}\n\n"
        "`python predict.py IMAGE.png` prints the probability, with NumPy, OpenCV, Pillow and "
        "ONNX Runtime alone, for 8-bit images that show the bone window. Its preprocessing is "
        "that of spinefrac, in `spinefrac_preprocessing/`. On the synthetic slices its "
        f"probability differed from spinefrac's by at most {script['largest_difference']:.1e} and "
        f"its input by at most {script['largest_grey_difference']} grey levels. Trust this ZIP as "
        "much as its sender: hashes show damage, not origin.\n"
    )


def _describe_quantization_loss(loss: dict[str, Any]) -> str:
    """Return what 8-bit LiteRT changes, in Markdown; `loss` as `FormatVerification.loss`."""
    agreement = ThresholdAgreement(**loss["agreement"])
    low, high = loss["auc_interval"] or (float("nan"), float("nan"))
    return (
        f"\n\n8-bit LiteRT, measured on {loss['slices']} {loss['measured_on']} "
        f"({loss['patients']} patients): AUC {loss['auc_int8']:.4f} against "
        f"{loss['auc_float']:.4f}, difference {loss['auc_difference']:+.4f} (95 % CI {low:+.4f} "
        f"to {high:+.4f}); probabilities differ by {loss['mean_difference']:.4f} on average and "
        f"{loss['largest_difference']:.4f} at most. {agreement.describe()} On other slices the "
        "loss may be larger."
    )


def _publish_archive(folder: Path, target: Path) -> None:
    """Pack the folder into the target, which appears complete or not at all."""
    atomic.remove_temporary_files(target, older_than_s=_STALE_AFTER_S)
    try:
        with atomic.replacing(target, overwrite=False) as temporary:
            archive.pack(folder, temporary)
    except FileExistsError:
        raise ModelError(
            f"{target} was created by another process meanwhile and is not overwritten: choose "
            "another name"
        ) from None
    atomic.fsync_path(target.parent)
