"""A saved model as one ZIP for other places: files in several formats, each read back and
compared in a process of its own, and a script that answers without this package.

The ZIP is written beside its place and appears there by one link or rename of a finished file.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.evaluation import calibration, compare
from spinefrac.evaluation.calibration import sigmoid
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.exchange import archive, standalone_preprocessing, verification_slices
from spinefrac.exchange.export_worker import ARCHIVE_PATHS
from spinefrac.records import NOT_A_MEDICAL_DEVICE, GreyImage
from spinefrac.store import card as cards
from spinefrac.store import card_markdown, repository, saving
from spinefrac.store.card import FileRecord
from spinefrac.system import atomic, sandbox

FORMATS = tuple(ARCHIVE_PATHS)
#: In every archive, as the shelf has them already.
REQUIRED_FORMATS = ("keras", "onnx")

#: A probability may differ by so much after a format is read back. 8-bit numbers are measured.
PROBABILITY_TOLERANCE = 1e-4

_WORKER = "spinefrac.exchange.export_worker"
_LIMITS = sandbox.ResourceLimits(file_mib=8192, cpu_s=1800, wall_s=3600)

#: Rendered slices on which 8-bit numbers are fitted, and others on which they are measured.
_REPRESENTATIVE_SERIES, _TEST_SERIES = (
    {"patients": 12, "per_patient": 4, "seed": 41},
    {
        "patients": 24,
        "per_patient": 4,
        "seed": 42,
    },
)

PREDICT_SCRIPT = '''"""Probability of a fracture on 8-bit grey pictures: python predict.py PICTURE…

{warning}
Needs numpy, pillow and onnxruntime.
"""
import json, sys
from pathlib import Path
import numpy as np, onnxruntime
from PIL import Image
from preprocessing import to_input
model = Path(__file__).parent / "model"
card = json.loads((model / "card.json").read_text("utf-8"))
how, temperature = card["preprocessing"], card["calibration"]["temperature"]
network = onnxruntime.InferenceSession(str(model / "serving.onnx"))
for name in sys.argv[1:]:
    image = to_input(np.asarray(Image.open(name).convert("L")), how["size"], how["bone_crop"])
    logits = network.run(["logits"], {{"image": image[None, :, :, None].astype(np.float32)}})[0]
    print(f"{{name}}: {{1 / (1 + np.exp(-logits.astype(float).mean() / temperature)):.6f}}")
'''


@dataclass(frozen=True, slots=True)
class FormatVerification:
    """A format after it was read back in a fresh process.

    Attributes
    ----------
    format, file : str
        `file` is its place in the archive.
    bytes : int
    largest_difference : float
        Of a probability, over `slices` rendered slices, to ONNX Runtime on the shelf's model.
    slices : int
    milliseconds : float
        A slice, one at a time, one process on this machine.
    loss : dict or None
        For 8-bit numbers, see `QuantizationLoss`.
    """

    format: str
    file: str
    bytes: int
    largest_difference: float
    slices: int
    milliseconds: float
    loss: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class QuantizationLoss:
    """What 8-bit numbers cost, on labelled slices that they were not fitted on.

    `auc_difference` is 8-bit minus float with its 95 % interval over patients; `same_calls` is
    the share of slices called alike at the model's threshold.
    """

    slices: int
    patients: int
    mean_difference: float
    largest_difference: float
    auc_float: float | None
    auc_int8: float | None
    auc_difference: float | None
    auc_interval: tuple[float, float] | None
    same_calls: float
    measured_on: str


@dataclass(frozen=True, slots=True)
class ExportResult:
    """An archive that was written: its place, what is in it, and how its script did."""

    path: Path
    bytes: int
    names_kept: bool
    formats: tuple[FormatVerification, ...]
    script: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON's types; the path is the one that was given."""
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
        Whether file names and groups of the training slices, which may name patients, stay in
        the out-of-fold answers. Otherwise they become numbers; labels, folds and answers stay.

    Returns
    -------
    Exported

    Raises
    ------
    ModelError
        The place is taken or not writable, a format cannot be made of this network, or it
        answers differently when it is read back.
    """
    wanted = _resolve_formats(model, formats)
    _check_target(target)
    try:
        models = settings.models_dir()
        with saving.unfinished_folder(models, f"export-{model.id}") as work:
            folder, scratch = work / "bundle", work / "scratch"
            folder.mkdir()
            scratch.mkdir()
            _copy_model_files(model, folder / archive.MODEL_FOLDER, keep_names)
            checked = _export_formats(model, folder, scratch, wanted)
            _write_script(folder)
            script = _verify_script(model, folder, scratch)
            _write_documentation(model, folder, checked, script)
            _publish_archive(folder, target)
    except OSError as error:
        raise ModelError(
            f"{target.name} cannot be written ({error.strerror or error}), nothing was exported: "
            "make room or choose another folder, and export again"
        ) from error
    return ExportResult(target, target.stat().st_size, keep_names, checked, script)


def _resolve_formats(model: repository.SavedModel, formats: Sequence[str]) -> tuple[str, ...]:
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ModelError(
            f"Expected formats among {', '.join(FORMATS)}, got {unknown[0]!r}: choose one of them"
        )
    has_keras = repository.KERAS_FILE in model.card.files
    if not has_keras and set(formats) - {"onnx"}:
        _ = model.keras_path
    always = REQUIRED_FORMATS if has_keras else ("onnx",)
    return tuple(name for name in FORMATS if name in always or name in formats)


def _check_target(target: Path) -> None:
    if target.suffix.lower() != ".zip" or not target.parent.is_dir():
        raise ModelError(
            f"Expected a file ending in .zip in a folder that exists, got {target}: choose another"
        )
    if target.exists():
        raise ModelError(f"{target} exists already and is not overwritten: choose another name")


def _copy_model_files(model: repository.SavedModel, folder: Path, keep_names: bool) -> None:
    """Copy the model's files; without names the answers and the card are written anew."""
    folder.mkdir()
    own = [*model.card.files, repository.CARD_FILE]
    if (model.path / repository.ANNOTATIONS_FILE).exists():
        own.append(repository.ANNOTATIONS_FILE)
    for name in own:
        shutil.copyfile(model.path / name, folder / name)
    if keep_names or not model.has_out_of_fold:
        return
    _anonymize_oof(folder / repository.OOF_FILE)
    files = model.card.files | {
        repository.OOF_FILE: FileRecord(*repository.hash_file(folder / repository.OOF_FILE))
    }
    content = cards.dump(replace(model.card, files=files, schema_version=cards.SCHEMA_VERSION))
    (folder / repository.CARD_FILE).write_bytes(content)


def _anonymize_oof(path: Path) -> None:
    """Replace file names and groups by numbers; which slices belong together stays."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    groups = {
        name: f"group-{n:05}" for n, name in enumerate(dict.fromkeys(r["group"] for r in rows))
    }
    for number, row in enumerate(rows):
        row["path"], row["group"] = f"slice-{number:06}", groups[row["group"]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _export_formats(
    model: repository.SavedModel, folder: Path, scratch: Path, wanted: tuple[str, ...]
) -> tuple[FormatVerification, ...]:
    """Convert, read back in a fresh process, compare."""
    task = {"folder": str(folder), "scratch": str(scratch), "formats": list(wanted)}
    images = verification_slices.render_inputs(model.preprocessing)
    np.save(scratch / "probes.npy", images)
    if "litert-int8" in wanted:
        fitted, *_ = verification_slices.render_labelled_inputs(
            model.preprocessing, **_REPRESENTATIVE_SERIES
        )
        np.save(scratch / "representative.npy", fitted)
    if set(wanted) - set(REQUIRED_FORMATS):
        sandbox.run(_WORKER, task | {"do": "convert"}, scratch, _LIMITS)
    asked = task | {"do": "answer", "images": "probes.npy"}
    found = sandbox.run(_WORKER, asked, scratch, _LIMITS)
    expected = _predict_reference(model, images)
    return tuple(
        _verify_format(
            name, folder / ARCHIVE_PATHS[name], found[name], expected, model, task, scratch
        )
        for name in wanted
    )


def _predict_reference(model: repository.SavedModel, images: GreyImage) -> np.ndarray:
    """Return the probabilities of the shelf's model before calibration, (N,)."""
    from spinefrac.inference.predictor import Predictor

    logits, _ = Predictor(model).run(images)
    return calibration.apply_temperature(logits.astype(np.float64).mean(axis=1), 1.0)


def _verify_format(
    name: str,
    path: Path,
    found: dict[str, Any],
    expected: np.ndarray,
    model: repository.SavedModel,
    task: dict[str, Any],
    scratch: Path,
) -> FormatVerification:
    difference = float(np.abs(np.array(found["probabilities"]) - expected).max())
    if name != "litert-int8" and not difference <= PROBABILITY_TOLERANCE:
        raise ModelError(
            f"The {name} file answers differently when it is read back, by {difference:.2g} in a "
            f"probability, expected at most {PROBABILITY_TOLERANCE:g}: nothing was exported; leave that format "
            "out"
        )
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    return FormatVerification(
        format=name,
        file=ARCHIVE_PATHS[name],
        bytes=sum(file.stat().st_size for file in files),
        largest_difference=difference,
        slices=len(expected),
        milliseconds=found["milliseconds"],
        loss=asdict(_measure_quantization_loss(model, task, scratch))
        if name == "litert-int8"
        else None,
    )


def _measure_quantization_loss(
    model: repository.SavedModel, task: dict[str, Any], scratch: Path
) -> QuantizationLoss:
    """Measure what 8-bit numbers cost on labelled slices that they were not fitted on."""
    images, labels, patients = verification_slices.render_labelled_inputs(
        model.preprocessing, **_TEST_SERIES
    )
    np.save(scratch / "measured.npy", images)
    asked = task | {"do": "answer", "images": "measured.npy", "formats": ["litert-int8"]}
    answered = sandbox.run(_WORKER, asked, scratch, _LIMITS)["litert-int8"]["probabilities"]
    coarse, fine = np.array(answered), _predict_reference(model, images)
    # The threshold is of calibrated probabilities; brought back to those before it.
    odds = model.temperature * np.log(model.threshold / (1 - model.threshold))
    threshold = float(sigmoid(odds))
    names = np.array([f"p{patient}" for patient in patients])
    (pair,) = compare.compare_models(
        labels,
        {"int8": coarse, "float": fine},
        names,
        {"int8": threshold, "float": threshold},
        n_resamples=1000,
    )
    auc = pair.differences["auc"]
    return QuantizationLoss(
        slices=len(labels),
        patients=len(set(names.tolist())),
        mean_difference=float(np.abs(coarse - fine).mean()),
        largest_difference=float(np.abs(coarse - fine).max()),
        auc_float=roc_auc(labels, fine) or 0.0,
        auc_int8=roc_auc(labels, coarse) or 0.0,
        auc_difference=auc.value,
        auc_interval=auc.interval,
        same_calls=float(((coarse >= threshold) == (fine >= threshold)).mean()),
        measured_on="rendered slices of the phantom, other patients than those it was fitted on",
    )


def _write_script(folder: Path) -> None:
    """Write the script that answers without this package, and what it needs."""
    (folder / "predict.py").write_text(
        PREDICT_SCRIPT.format(warning=NOT_A_MEDICAL_DEVICE), encoding="utf-8"
    )
    shutil.copyfile(Path(standalone_preprocessing.__file__), folder / "preprocessing.py")
    (folder / "requirements.txt").write_text("numpy>=2.1\npillow>=12\nonnxruntime>=1.24\n")


def _verify_script(model: repository.SavedModel, folder: Path, scratch: Path) -> dict[str, Any]:
    """Run the script on the rendered slices; return how far it is from this package."""
    from PIL import Image

    from spinefrac.inference.predictor import Predictor

    pictures = scratch / "pictures"
    pictures.mkdir()
    slices = verification_slices.render_slices()
    for number, ct in enumerate(slices):
        Image.fromarray(ct.pixels.astype(np.uint8)).save(pictures / f"{number:02}.png")
    expected = np.array([a.probability for a in Predictor(model).predict_many(slices)])
    command = [sys.executable, "-I", "-c", _ISOLATED_RUNNER, str(folder / "predict.py")]
    done = subprocess.run(
        [*command, *map(str, sorted(pictures.iterdir()))],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
        raise ModelError(f"predict.py of the export does not run ({last}): nothing was exported")
    answers = [float(line.rpartition(": ")[2]) for line in done.stdout.splitlines()]
    found = np.array(answers)
    inputs = [
        np.abs(
            standalone_preprocessing.to_input(
                ct.pixels.astype(np.uint8), model.preprocessing.size, model.preprocessing.bone_crop
            ).astype(int)
            - expected_input
        ).max()
        for ct, expected_input in zip(
            slices, verification_slices.render_inputs(model.preprocessing), strict=True
        )
    ]
    return {
        "slices": len(found),
        "largest_difference": float(np.abs(found - expected).max()),
        "largest_grey_difference": int(max(inputs)),
    }


#: Runs a script while every module but those it needs is missing.
_ISOLATED_RUNNER = """
import importlib.abc, runpy, sys
allowed = {"numpy", "PIL", "onnxruntime", "preprocessing"}
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in allowed or top in sys.stdlib_module_names or top.startswith("_"):
            return None
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
script = sys.argv[1]
sys.argv = sys.argv[1:]
sys.path.insert(0, script.rpartition("predict.py")[0])
sys.dont_write_bytecode = True
runpy.run_path(script, run_name="__main__")
"""


def _write_documentation(
    model: repository.SavedModel,
    folder: Path,
    verifications: tuple[FormatVerification, ...],
    script: dict[str, Any],
) -> None:
    """Write the card for people, with what was checked, and the same for programs."""
    rows = "\n".join(
        f"| `{entry.file}` | {entry.format} | {entry.bytes / 1e6:.2f} MB | "
        f"{entry.largest_difference:.1e} |"
        for entry in verifications
    )
    losses = "".join(
        _describe_quantization_loss(QuantizationLoss(**entry.loss))
        for entry in verifications
        if entry.loss
    )
    text = (
        f"{card_markdown.render_markdown(model).rstrip()}\n\n## Files in this archive\n\n"
        "Each was read back in a fresh process and compared with ONNX Runtime on the saved "
        f"model, on {script['slices']} rendered slices; the difference is the largest of a "
        "probability.\n\n"
        f"| file | format | size | difference |\n|---|---|---|---|\n{rows}\n\n"
        "All take `image` (N, S, S, 1), grey values 0…255. `serving.onnx` gives the logit of "
        "each fold; the others give sigmoid(mean logit) before calibration. The calibrated "
        f"probability is sigmoid(mean logit / {model.temperature:.6f}).{losses}\n\n"
        "`python predict.py PICTURE.png` answers with NumPy, Pillow and ONNX Runtime alone, on "
        "8-bit pictures that show the bone window. On the rendered slices its probability "
        f"differed from spinefrac's by at most {script['largest_difference']:.1e} and its input "
        f"by at most {script['largest_grey_difference']} grey levels. The answers in this ZIP "
        "are as trustworthy as whoever sent it: hashes show damage, not origin.\n"
    )
    (folder / card_markdown.FILE_NAME).write_text(text, encoding="utf-8")
    report = {"formats": [asdict(entry) for entry in verifications], "predict.py": script}
    (folder / "verification.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "preprocessing.json").write_text(
        json.dumps(model.preprocessing.to_dict(), indent=2) + "\n"
    )


def _describe_quantization_loss(loss: QuantizationLoss) -> str:
    low, high = loss.auc_interval or (float("nan"), float("nan"))
    return (
        f"\n\n8-bit LiteRT, measured on {loss.slices} {loss.measured_on} ({loss.patients} "
        f"patients): AUC {loss.auc_int8:.4f} against {loss.auc_float:.4f}, difference "
        f"{loss.auc_difference:+.4f} (95 % interval {low:+.4f} to {high:+.4f}); "
        f"probabilities differ by {loss.mean_difference:.4f} on average and "
        f"{loss.largest_difference:.4f} at most; {100 * loss.same_calls:.1f} % of the slices are "
        "called alike. On slices of another kind it may cost more."
    )


def _publish_archive(folder: Path, target: Path) -> None:
    """Pack the folder beside the target and let it appear there, complete."""
    atomic.remove_temporary_files(target, older_than_s=_STALE_AFTER_S)
    try:
        with atomic.replacing(target, overwrite=False) as temporary:
            archive.pack(folder, temporary)
    except FileExistsError:
        raise ModelError(
            f"{target} was made by somebody else meanwhile and is not overwritten: choose "
            "another name"
        ) from None
    atomic.fsync_path(target.parent)


#: A living export writes to its temporary file all the time.
_STALE_AFTER_S = 600
