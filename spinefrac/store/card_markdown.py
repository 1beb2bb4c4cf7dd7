"""A model card as Markdown, under the headings of Hugging Face's model cards.

The block on top is metadata in YAML, which model hubs read; the text is for people. Everything
comes from ``card.json``, the out-of-fold predictions and the saved evaluations, each metric with
its confidence interval.

References
----------
Mitchell et al. (2019), "Model Cards for Model Reporting", FAT* '19, doi 10.1145/3287560.3287596.
Hugging Face, "Annotated Model Card Template", huggingface.co/docs/hub/model-card-annotated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from spinefrac import wording
from spinefrac.evaluation import deferral
from spinefrac.evaluation.baseline_comparison import describe_comparison
from spinefrac.evaluation.calibration import ENSEMBLE_NOTE
from spinefrac.evaluation.metrics import Metrics
from spinefrac.evaluation.operating_point import THRESHOLD_OPTIMISM_NOTE
from spinefrac.evaluation.scans.scan_metrics import describe_scan_metrics
from spinefrac.records import CLASS_NAMES, NOT_A_MEDICAL_DEVICE
from spinefrac.store import evaluations
from spinefrac.store.evaluations import Evaluation
from spinefrac.store.repository import SavedModel
from spinefrac.wording import METRICS

#: Name of the file in an exported model.
FILE_NAME = "MODEL_CARD.md"

#: Names of metrics in a hub's metadata, where they differ from the card's keys.
_HUB_NAMES = {
    "auc": "roc_auc",
    "mcc": "matthews_correlation",
    "brier": "brier_score",
    "ece": "expected_calibration_error",
}

#: Stands where the program cannot know.
_UNKNOWN_OWNER = "Not known to the program; add it before you share the model."


def render_markdown(model: SavedModel) -> str:
    """Return the model card of a saved model, for people and for model hubs.

    Parameters
    ----------
    model : SavedModel

    Returns
    -------
    str
        Markdown with a block of YAML on top. It contains no path, no name of a file, folder or
        group, and no patient data, see `spinefrac.redaction`.
    """
    stored = [entry.hide_folder() for entry in evaluations.list_evaluations(model)]
    parts = [
        _render_metadata(model, stored),
        f"# Model card for {model.id}",
        f"> **{NOT_A_MEDICAL_DEVICE}**",
        _escape_markdown(model.note)
        or "A classifier of spinal CT slices, fracture or no fracture.",
        *_render_details(model),
        *_render_uses(model),
        *_render_limitations(model, stored),
        *_render_getting_started(model),
        *_render_training(model),
        *_render_evaluation(model, stored),
        *_render_technical(model),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _render_metadata(model: SavedModel, stored_evaluations: Iterable[Evaluation]) -> str:
    """Return the block of YAML that a hub reads."""
    import yaml

    results = []
    if model.card.metrics is not None:
        results.append(
            _result_entry("out-of-fold", "own slices, whole groups held out", model.metrics)
        )
    results += [
        _result_entry(entry.key, entry.folder, entry.metrics) for entry in stored_evaluations
    ]
    data: dict[str, Any] = {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["medical-imaging", "computed-tomography", "spine", "fracture", *model.tags],
        "metrics": ["roc_auc", "recall", "specificity"],
        "model-index": [{"name": model.id, "results": results}],
    }
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=96)
    return f"---\n{text}---"


def _result_entry(kind: str, name: str, metrics: Metrics) -> dict[str, Any]:
    found = [(key, getattr(metrics, key), metrics.ci.get(key)) for key in METRICS]
    return {
        "task": {"type": "image-classification", "name": "fracture in a spinal CT slice"},
        "dataset": {"type": kind, "name": name},
        "metrics": [
            {
                "type": _HUB_NAMES.get(key, key),
                "name": METRICS[key].title
                + (f", 95 % CI {wording.format_interval(interval)}" if interval else ""),
                "value": round(value, 6),
            }
            for key, value, interval in found
            if value is not None
        ],
    }


def _render_details(model: SavedModel) -> list[str]:
    card = model.card
    lines = {
        "Developed by": _escape_markdown(card.trained_by) or _UNKNOWN_OWNER,
        "Model type": f"convolutional network `{card.network}`, an ensemble of "
        f"{wording.format_count(len(card.folds), 'fold network')}"
        if card.folds
        else f"convolutional network `{card.network}`",
        "Saved": card.created,
        "Licence": _UNKNOWN_OWNER,
    }
    if card.parent is not None:
        how = "settings" if card.parent.how == "settings" else "weights"
        lines["Trained from"] = (
            f"the {how} of {card.parent.model} (card SHA-256 `{card.parent.card_sha256}`)"
        )
    if model.id != card.id:
        lines["First saved as"] = card.id
    if model.tags:
        lines["Tags"] = _escape_markdown(", ".join(model.tags))
    return ["## Model Details", "### Model Description", _render_list(lines)]


def _render_uses(model: SavedModel) -> list[str]:
    return [
        "## Uses",
        "### Direct Use",
        "Research and teaching: predictions on single axial CT slices of the spine, and the "
        "uncertainty of these predictions.",
        "### Downstream Use",
        "Fine-tuning on other data, or comparison with other models on slices that none of them "
        "was trained on.",
        "### Out-of-Scope Use",
        "Any decision about a patient. Images other than CT slices of the spine; slices of "
        "scanners, patients or protocols unlike those of the training data; whole volumes or "
        "neighbouring slices read together.",
    ]


def _render_limitations(model: SavedModel, stored_evaluations: list[Evaluation]) -> list[str]:
    card = model.card
    limitations = [
        *([wording.SYNTHETIC_MODEL_WARNING] if model.is_synthetic else []),
        "The model predicts from one slice at a time, without the neighbouring slices.",
        _describe_input_check(model),
        wording.describe_audit(card.audit_verdict),
        *filter(None, [describe_comparison(card.baselines)]),
    ]
    if not stored_evaluations:
        limitations.append("The model was not evaluated on data of another origin.")
    if card.metrics is not None:
        limitations += [
            THRESHOLD_OPTIMISM_NOTE,
            ENSEMBLE_NOTE,
            *(wording.to_sentence(note) for note in card.metrics.notes),
        ]
    if card.data is not None:
        limitations += map(wording.to_sentence, card.data.notes)
    return [
        "## Bias, Risks, and Limitations",
        "\n".join(f"- {_escape_markdown(line)}" for line in limitations),
        "### Recommendations",
        "Evaluate the model on your own labelled slices, of patients that it was not trained on, "
        "before you rely on a prediction: `spinefrac evaluate NAME FOLDER`.",
    ]


def _describe_input_check(model: SavedModel) -> str:
    """Say what the input check of a model rests on, and how often it errs on new patients."""
    reference = model.card.input_reference
    if reference is not None:
        rate = wording.format_percent_estimate(reference.false_alarm_rate, reference.false_alarm_ci)
        return (
            "Predictive values and error rates hold for slices like the training slices. The input "
            f"check, fitted on {reference.images:,} slices of {reference.groups:,} patients, calls "
            f"{rate} of the slices of other patients of the same kind unusual."
        )
    if model.card.input_check:
        return (
            "The input check knows picture statistics only: it finds images that are no CT, not "
            "slices of other body regions or scanners."
        )
    return "There is no input check: the model predicts for any image."


def _render_getting_started(model: SavedModel) -> list[str]:
    pre = model.preprocessing
    crop = "cropped to the bone" if pre.bone_crop else "the whole field of view"
    return [
        "## How to Get Started with the Model",
        f"```sh\nspinefrac predict SLICE --model {model.id}\n```",
        "Without spinefrac: `serving.onnx` takes `image`, float32 (N, "
        f"{pre.size}, {pre.size}, 1) in 0…255, and returns `logits` (N, folds) and `heatmaps` "
        "(N, h, w). The probability of fracture is sigmoid(mean of the logits / "
        f"{model.temperature:.6g}); the predicted class is fracture from {model.threshold:.6g} on.",
        f"Preprocessing: window centre {pre.window_center:g} HU, width "
        f"{pre.window_width:g} HU, mapped to 0…255; {crop}; resized to {pre.size} × {pre.size}.",
    ]


def _render_training(model: SavedModel) -> list[str]:
    card, data = model.card, model.card.data
    parts = ["## Training Details", "### Training Data"]
    if data:
        unreadable = wording.format_count(data.unreadable, "unreadable file")
        parts.append(
            f"{data.images:,} slices of {data.groups:,} groups, {data.fracture:,} with a fracture "
            f"and {data.normal:,} without; {unreadable} left out. No fold splits a group, which is "
            f"as a rule a patient. Groups: {_escape_markdown(data.group_rule)}. Fingerprint "
            f"`{data.fingerprint}`."
        )
        parts += [
            "#### Audit",
            wording.describe_audit(card.audit_verdict),
        ]
    else:
        parts.append("Not known: the model was trained elsewhere.")
    rows = [
        (name.replace("_", " "), _format_setting(value)) for name, value in card.settings.items()
    ]
    if rows:
        parts += ["### Training Procedure", "#### Training Hyperparameters"]
        parts.append(_render_table(("Setting", "Value"), rows))
    if card.folds:
        seconds = sum(fold.seconds for fold in card.folds)
        parts += [
            "#### Speeds, Sizes, Times",
            f"{card.parameters:,} parameters in each network; {model.size / 1e6:.1f} MB in files; "
            f"{seconds / 60:.1f} minutes of training in all folds together.",
        ]
    return parts


def _render_evaluation(model: SavedModel, stored_evaluations: list[Evaluation]) -> list[str]:
    card = model.card
    parts = ["## Evaluation"]
    if card.metrics is None:
        parts.append(
            "There are no out-of-fold metrics: the model was imported. Its only metrics are those "
            "of the external evaluations below."
        )
    else:
        parts += [
            "### Testing Data, Factors & Metrics",
            f"Each of the {card.metrics.n:,} {model.unit} was predicted by the one network that "
            f"was not trained on its group ({card.metrics.groups:,} groups). The 95 % confidence "
            "intervals are from a bootstrap over whole groups.",
            "### Results",
            _render_metrics(card.metrics),
            *([describe_scan_metrics(card.scan_metrics)] if card.scan_metrics else []),
            "#### Abstention band",
            _describe_abstention(model),
        ]
        folds = [
            (
                str(f.fold + 1),
                f"{f.images:,}",
                f"{f.groups:,}",
                wording.format_number(f.auc),
                str(f.epochs),
            )
            for f in card.folds
        ]
        parts += ["#### Folds", _render_table(("Fold", "Slices", "Groups", "AUC", "Epochs"), folds)]
    if stored_evaluations:
        parts.append("### Results on other data")
    elif card.metrics is None:
        parts.append("It was not evaluated on any data set yet.")
    for entry in stored_evaluations:
        seen = entry.seen.describe(entry.metrics.n)
        parts += [
            f"#### {wording.to_sentence(entry.folder).rstrip('.')}",
            f"{entry.metrics.n:,} slices of {entry.metrics.groups:,} groups, evaluated "
            f"{entry.created}."
            + (f" {_escape_markdown(wording.to_sentence(seen))}" if seen else ""),
            _render_metrics(entry.metrics),
        ]
        if entry.by_grade:
            rows = [grade.to_row() for grade in entry.by_grade]
            parts.append(_render_table(wording.GRADE_COLUMNS, rows))
    return parts


def _render_metrics(metrics: Metrics) -> str:
    """Return the metrics with intervals, and the confusion matrix, at one threshold."""
    rows = [
        (
            words.title,
            wording.format_number(getattr(metrics, name)),
            wording.format_interval(metrics.ci.get(name)),
        )
        for name, words in METRICS.items()
    ]
    counts = [
        (f"label: {name}", *(f"{count:,}" for count in row))
        for name, row in zip(CLASS_NAMES, metrics.confusion_matrix, strict=True)
    ]
    metric_head = ("Metric", "Value", wording.CONFIDENCE_INTERVAL_SHORT)
    matrix_head = (
        f"At the threshold {metrics.threshold:.3f}",
        *(f"predicted: {name}" for name in CLASS_NAMES),
    )
    return f"{_render_table(metric_head, rows)}\n\n{_render_table(matrix_head, counts)}"


def _describe_abstention(model: SavedModel) -> str:
    """Return what the abstention band guarantees, or how many patients it would need."""
    oof = model.load_out_of_fold()
    predictions = (oof.labels, oof.probabilities, oof.groups, model.threshold)
    band = deferral.choose_abstention_band(*predictions)
    n_groups = len(set(oof.groups.tolist()))
    if band is None:
        needed = deferral.count_groups_for_band(*predictions)
        return deferral.describe_guarantee(None, n_groups, needed)
    return (
        f"Probabilities between {band.low:.2f} and {band.high:.2f} need review by a reader. "
        f"{deferral.describe_guarantee(band, n_groups, None)}"
    )


def _render_technical(model: SavedModel) -> list[str]:
    card, pre = model.card, model.preprocessing
    files = [(f"`{name}`", f"{f.size:,}", f"`{f.sha256}`") for name, f in card.files.items()]
    versions = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    method = _escape_markdown(card.calibration.method)
    difference = card.keras_onnx_max_difference
    return [
        "## Technical Specifications",
        "### Model Architecture and Objective",
        f"Input {pre.size} × {pre.size} × 1, one logit; binary cross-entropy. "
        "Heat maps are the exact contributions of the last feature map to the logit. "
        f"Calibration: temperature {model.temperature:.4g} ({method}). "
        f"Threshold {model.threshold:.4g}, rule {_escape_markdown(card.operating_point.rule)}.",
        "### Software",
        f"{_escape_markdown(versions)}."
        + (f" Keras and ONNX Runtime differ by at most {difference:.2g}." if difference else ""),
        "### Files",
        _render_table(("File", "Bytes", "SHA-256"), files),
        f"SHA-256 of `card.json`, which lists these: `{model.card_hash}`.",
    ]


def _render_list(lines: dict[str, str]) -> str:
    return "\n".join(f"- **{name}:** {value}" for name, value in lines.items())


def _render_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _format_setting(value: Any) -> str:
    """Return a setting in one cell."""
    if isinstance(value, dict):
        return ", ".join(
            f"{_escape_markdown(str(k))} {_format_setting(v)}" for k, v in value.items()
        )
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else _escape_markdown(str(value))


def _escape_markdown(text: str) -> str:
    """Return text that Markdown shows letter by letter on one line."""
    return re.sub(r"([\\`*_\[\]<>|#~$])", r"\\\1", " ".join(text.split()))
