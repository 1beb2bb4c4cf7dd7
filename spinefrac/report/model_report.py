"""What a report says, as blocks: data, audit, method, metrics, curves, failures, checklists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spinefrac import wording
from spinefrac.errors import DatasetError, SpinefracError
from spinefrac.evaluation import curves, subgroups
from spinefrac.evaluation.metrics import Metrics
from spinefrac.records import CLASS_NAMES, NOT_A_MEDICAL_DEVICE
from spinefrac.report import checklists
from spinefrac.report.elements import (
    Document,
    Element,
    Figure,
    Heading,
    ImageGrid,
    Paragraph,
    Table,
)
from spinefrac.store import evaluations
from spinefrac.store.evaluations import Evaluation
from spinefrac.store.repository import SavedModel
from spinefrac.wording import METRICS

#: Worst errors that are listed, and how many of them are shown as pictures.
MAX_FAILURES = 24
MAX_FAILURE_IMAGES = 12
#: Values of a property up to which its subgroups are measured.
MAX_SUBGROUPS = 20


def build_model_report(model: SavedModel, data_folder: Path | None = None) -> Document:
    """Gather everything that is known of a saved model.

    Parameters
    ----------
    model : SavedModel
    data_folder : Path, optional
        The folder it was trained on; then its failures are shown as pictures.

    Returns
    -------
    Document

    Notes
    -----
    An imported model has no data, method and out-of-fold numbers of its own; its report says so
    and holds what it got right on the folders it was measured on.
    """
    kept = evaluations.list_evaluations(model)
    known = checklists.collect_facts(model, kept)
    own: list[Element] = _origin_section(model)
    if model.has_out_of_fold:
        own = [
            *_data_section(model),
            *_method_section(known),
            *_metrics_section(model),
            *_subgroups_section(model),
        ]
        own += _curves_section(model)
    blocks: list[Element] = [
        Paragraph(NOT_A_MEDICAL_DEVICE, warning=True),
        *_summary_section(model),
        *own,
        *_external_section(model, kept),
        *(_failures_section(model, data_folder) if model.has_out_of_fold else []),
        *_checklist_section("CLAIM 2024", checklists.CLAIM_ITEMS, known),
        *_checklist_section("TRIPOD+AI", checklists.TRIPOD_ITEMS, known),
    ]
    return Document(f"Report on the model {model.id}", tuple(blocks))


def _summary_section(model: SavedModel) -> list[Element]:
    card = model.card
    lines: list[Element] = [Paragraph(card.note)] if card.note else []
    if not model.has_out_of_fold:
        return lines
    metrics = model.metrics
    lines.append(
        Paragraph(
            f"Saved {card.created}. Out-of-fold on {metrics.n} slices of {metrics.groups} groups: "
            f"AUC {metrics.format_metric('auc')}; at the threshold {model.threshold:.3f} sensitivity "
            f"{metrics.format_metric('recall')} and specificity {metrics.format_metric('specificity')}. Values in "
            "brackets are 95 % intervals; whole groups were resampled."
        )
    )
    return lines + [Paragraph(note, warning=True) for note in metrics.notes]


def _origin_section(model: SavedModel) -> list[Element]:
    """Say of an imported model what is known of it, and what is not."""
    card = model.card
    rows = [
        ("Saved", card.created),
        ("Input", f"{card.preprocessing.size} by {card.preprocessing.size} pixels"),
        ("Threshold", f"{model.threshold:.4f}: {card.operating_point.rule}"),
        ("Calibration", card.calibration.method),
    ]
    if card.origin:
        rows += [("File", card.origin.file), ("SHA-256 of the file", card.origin.sha256)]
    return [
        Paragraph(
            "This model was imported. What it was trained on, how, and how it did on slices that "
            "it had not seen is not known here. The only numbers below are of folders that it was "
            "measured on; whether it was trained on these slices is for the authors to say.",
            warning=True,
        ),
        Heading("Origin"),
        Table(("", ""), tuple(rows), (0.28, 0.72)),
    ]


def _data_section(model: SavedModel) -> list[Element]:
    data, verdict = model.data, model.card.audit_verdict
    rows = (
        ("Slices", f"{data.images}"),
        ("With a fracture", f"{data.fracture}"),
        ("Without", f"{data.normal}"),
        ("Groups", f"{data.groups}, found by this rule: {data.group_rule}"),
        ("Files that could not be read", f"{data.unreadable}"),
        ("Fingerprint", data.fingerprint),
        *(("Note", note) for note in data.notes),
    )
    return [
        Heading("Data"),
        Table(("", ""), rows, (0.28, 0.72)),
        Heading("Audit"),
        Paragraph(wording.describe_audit(verdict), warning=verdict != "ok"),
    ]


def _method_section(facts: dict[str, str]) -> list[Element]:
    keys = {
        "model": "Network",
        "preprocessing": "Preprocessing",
        "partitions": "Cross-validation",
        "disjoint": "Groups",
        "start": "Start",
        "training": "Training",
        "selection": "Selection",
        "ensemble": "Ensemble",
        "output": "Output",
        "uncertainty": "Intervals",
        "software": "Software",
    }
    rows = tuple((title, facts[key]) for key, title in keys.items())
    return [Heading("Method"), Table(("", ""), rows, (0.2, 0.8))]


def _metrics_section(model: SavedModel) -> list[Element]:
    metrics = model.metrics
    (tn, fp), (fn, tp) = metrics.confusion_matrix
    folds = tuple(
        (f"{f.fold + 1}", f"{f.images}", f"{f.groups}", wording.format_number(f.auc), f"{f.epochs}")
        for f in model.card.folds
    )
    return [
        Heading("Metrics, out-of-fold"),
        Table(("Metric", "Value", "95 % interval"), _metric_rows(metrics), (0.4, 0.2, 0.4)),
        Table(
            (f"At the threshold {model.threshold:.3f}", "Called no fracture", "Called fracture"),
            (
                (f"Truth: {CLASS_NAMES[0]}", f"{tn}", f"{fp}"),
                (f"Truth: {CLASS_NAMES[1]}", f"{fn}", f"{tp}"),
            ),
            (0.4, 0.3, 0.3),
        ),
        Table(("Fold", "Slices", "Groups", "AUC", "Epochs"), folds, (0.2,) * 5),
    ]


def _subgroups_section(model: SavedModel) -> list[Element]:
    """Return metrics by scanner, size and series, where the slices differ in them."""
    oof = model.load_out_of_fold()
    blocks: list[Element] = []
    for column, values in oof.subgroups.items():
        if not 2 <= len(set(values)) <= MAX_SUBGROUPS:
            continue
        measured = subgroups.metrics_by_subgroup(
            oof.labels, oof.probabilities, oof.groups, np.array(values), model.threshold
        )
        rows = tuple(
            (
                name,
                f"{part.n}",
                f"{sum(part.confusion_matrix[1])}",
                *(part.format_metric(metric) for metric in ("auc", "recall", "specificity")),
            )
            for name, part in measured.items()
        )
        head = (column.capitalize(), "Slices", "Fractures", "AUC", "Sensitivity", "Specificity")
        blocks.append(Table(head, rows, (0.25, 0.1, 0.11, 0.18, 0.18, 0.18)))
    return [Heading("Subgroups, out-of-fold"), *blocks] if blocks else []


def _metric_rows(metrics: Metrics) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (
            words.title,
            wording.format_number(getattr(metrics, name)),
            wording.format_interval(metrics.ci.get(name)),
        )
        for name, words in METRICS.items()
    )


def _curves_section(model: SavedModel) -> list[Element]:
    """Return the figures that the answers define; what they do not is said."""
    from spinefrac.report import figures

    oof, history, metrics = model.load_out_of_fold(), model.load_history(), model.metrics
    y, p, g = oof.labels, oof.probabilities, oof.groups
    blocks: list[Element] = [Heading("Curves, out-of-fold")]
    try:
        roc, band = curves.roc_curve(y, p), curves.roc_curve_band(y, p, oof.folds)
        here = metrics.recall, metrics.specificity, metrics.precision
        point = None if None in here[:2] else (1 - (here[1] or 0.0), here[0] or 0.0)
        drawing = figures.plot_rate_curve(
            roc.false_positive_rate,
            roc.true_positive_rate,
            ("share of normal slices called a fracture", "sensitivity"),
            (0.0, 1.0),
            band,
            point,
        )
        blocks.append(Figure(drawing, "ROC curve; band: folds, mean ± 1 SD; dot: the threshold."))
        pr, band = (
            curves.precision_recall_curve(y, p),
            curves.precision_recall_curve_band(y, p, oof.folds),
        )
        share = float(y.mean())
        point = None if None in here else (here[0] or 0.0, here[2] or 0.0)
        titles = ("sensitivity (recall)", "precision")
        drawing = figures.plot_rate_curve(
            pr.recall, pr.precision, titles, (share, share), band, point
        )
        blocks.append(Figure(drawing, "Precision and recall; dotted: precision of chance."))
    except DatasetError as error:
        blocks.append(Paragraph(str(error), warning=True))
    try:
        test = curves.spiegelhalter_test(y, p, g)
        said = (
            f" Spiegelhalter's test over groups: z = {test.z_groups:.2f}, p = {test.p_groups:.3f}."
        )
    except DatasetError:
        said = ""
    blocks += [
        Figure(
            figures.plot_calibration_curve(curves.calibration_curve(y, p, g)),
            f"Calibration, with 95 % intervals over groups.{said}",
        ),
        Figure(
            figures.plot_decision_curve(curves.decision_curve(y, p, g)),
            "Decision curve: net benefit in found fractures a slice, with 95 % interval.",
        ),
        Figure(figures.plot_score_histogram(y, p, model.threshold), "Probabilities by class."),
    ]
    if history:
        blocks.append(
            Figure(figures.plot_training_history(history), "Loss of each fold over its training.")
        )
    return blocks


def _external_section(
    model: SavedModel, external_evaluations: Sequence[Evaluation]
) -> list[Element]:
    blocks: list[Element] = [Heading("On other data")]
    if not external_evaluations:
        return [*blocks, Paragraph("The model was not measured on other data.", warning=True)]
    for entry in external_evaluations:
        said = entry.seen.describe(entry.metrics.n)
        blocks.append(
            Paragraph(
                f"{entry.folder}: {entry.metrics.n} slices of {entry.metrics.groups} groups, "
                f"measured {entry.created}. Groups: {entry.data.group_rule}."
            )
        )
        if said:
            blocks.append(Paragraph(said[:1].upper() + said[1:] + ".", entry.seen.has_leakage))
        if found := entry.pointing:
            span = f", 95 % interval {found.ci[0]:.2f} to {found.ci[1]:.2f}" if found.ci else ""
            blocks.append(
                Paragraph(
                    "The hottest point of the heat map is inside a fracture's box on "
                    f"{found.hits} of {found.slices} slices ({found.share:.2f}{span}); by chance "
                    f"{found.chance:.2f}."
                )
            )
        if not entry.shift:
            head = ("Metric", "Here", "95 % interval")
            blocks.append(Table(head, _metric_rows(entry.metrics), (0.4, 0.2, 0.4)))
            continue
        blocks.append(_shift_table(model, entry))
    return blocks


def _shift_table(model: SavedModel, evaluation: Evaluation) -> Table:
    """Return metrics out-of-fold, on other data, and the shift between them."""
    rows = []
    for name, words in METRICS.items():
        found = evaluation.shift[name]
        if found.value is None or found.interval is None or found.p_holm is None:
            shift, verdict = "–", ""
        else:
            interval = wording.format_interval(found.interval, signed=True)
            shift = f"{found.value:+.3f} ({interval})"
            verdict = "more than chance" if found.p_holm < 0.05 else "may be chance"
        rows.append(
            (
                words.title,
                model.metrics.format_metric(name),
                evaluation.metrics.format_metric(name),
                shift,
                verdict,
            )
        )
    head = ("Metric", "Out-of-fold", "Here", "Shift", "")
    return Table(head, tuple(rows), (0.2, 0.22, 0.22, 0.22, 0.14))


def _failures_section(model: SavedModel, data_folder: Path | None) -> list[Element]:
    """Return the worst errors as a table, and as pictures where the slices are at hand."""
    oof = model.load_out_of_fold()
    wrong = np.where(oof.labels == 1, 1 - oof.probabilities, oof.probabilities)
    failed = (oof.probabilities >= model.threshold) != (oof.labels == 1)
    rows = np.flatnonzero(failed)
    rows = rows[np.argsort(-wrong[rows], kind="stable")][:MAX_FAILURES]
    blocks: list[Element] = [
        Heading("Failure cases"),
        Paragraph(
            f"{int(failed.sum())} of {len(failed)} slices are on the wrong side of the threshold; "
            f"the {len(rows)} furthest from their label:"
        ),
        Table(
            ("Slice", "Group", "Label", "Probability", "Fold"),
            tuple(
                (
                    oof.paths[row].encode("utf-8", "replace").decode(),
                    str(oof.groups[row]),
                    CLASS_NAMES[oof.labels[row]],
                    f"{oof.probabilities[row]:.3f}",
                    f"{oof.folds[row] + 1}",
                )
                for row in rows.tolist()
            ),
            (0.42, 0.18, 0.15, 0.15, 0.1),
        ),
    ]
    if data_folder is None:
        return [*blocks, Paragraph("Pictures: give the folder of the slices with --data.")]
    return [*blocks, *_failure_images(model, data_folder, rows[:MAX_FAILURE_IMAGES].tolist())]


def _failure_images(model: SavedModel, folder: Path, rows: list[int]) -> list[Element]:
    from spinefrac import imaging
    from spinefrac.data import data_roots
    from spinefrac.inference.predictor import get_predictor
    from spinefrac.viz import heatmap

    oof, shown, missing = model.load_out_of_fold(), [], 0
    for row in rows:
        digest = oof.pixel_hashes[row] if oof.pixel_hashes else ""
        try:
            ct = data_roots.read_slice(folder, oof.paths[row], digest)
        except SpinefracError:
            missing += 1
            continue
        prediction = get_predictor(model.id).predict(ct)
        picture = heatmap.render_slice(imaging.to_display(ct), prediction.heatmap)
        words = f"{CLASS_NAMES[oof.labels[row]]}, answered {oof.probabilities[row]:.3f}"
        shown.append((picture, words))
    blocks: list[Element] = [ImageGrid(tuple(shown))] if shown else []
    if shown:
        blocks.append(
            Paragraph(
                "Heat maps are the whole ensemble's evidence for a fracture, most of whose "
                "networks were trained on these slices; the probability is out-of-fold."
            )
        )
    if missing:
        blocks.append(
            Paragraph(f"{missing} of {len(rows)} slices are not in this folder as they were.", True)
        )
    return blocks


def _checklist_section(
    name: str, items: Sequence[tuple[str, str, str | None]], facts: dict[str, str]
) -> list[Element]:
    return [
        Heading(name),
        Paragraph(
            "Filled in from the run where the run knows. Items are paraphrased; see the checklist "
            "itself for their full wording."
        ),
        Table(
            ("Item", "Asks for", "Answer"),
            checklists.fill_checklist(items, facts),
            (0.08, 0.32, 0.6),
        ),
    ]
