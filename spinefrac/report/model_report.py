"""A report on a saved model: data, audit, method, metrics, curves, failures, checklists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spinefrac import redaction, wording
from spinefrac.errors import DatasetError, SpinefracError
from spinefrac.evaluation import curves, subgroups
from spinefrac.evaluation.baseline_comparison import describe_comparison, is_no_better
from spinefrac.evaluation.metrics import Metrics
from spinefrac.evaluation.scans.scan_metrics import describe_scan_metrics
from spinefrac.records import CLASS_NAMES, NOT_A_MEDICAL_DEVICE, OutOfFoldPredictions
from spinefrac.redaction import Information, Output, is_kept
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
from spinefrac.store import evaluations, slice_names
from spinefrac.store.evaluations import Evaluation
from spinefrac.store.repository import SavedModel
from spinefrac.wording import METRICS

#: Largest errors that are listed, and how many of them are shown as images.
MAX_FAILURES = 24
MAX_FAILURE_IMAGES = 12
#: Values of a property up to which its subgroups are evaluated.
MAX_SUBGROUPS = 20
_SUBGROUP_METRICS = ("auc", "recall", "specificity")


def build_model_report(
    model: SavedModel, data_folder: Path | None = None, *, keep_names: bool = False
) -> Document:
    """Collect what is known of a saved model.

    Parameters
    ----------
    model : SavedModel
    data_folder : Path, optional
        Its training data, to show its failures as images.
    keep_names : bool
        Whether to name files, groups and series of the training slices, and folders of external
        evaluations, which may identify patients. The report then says so.

    Returns
    -------
    Document

    Notes
    -----
    An imported model has no training data, method and out-of-fold metrics; its report says so
    and holds its external evaluations.
    """
    external = evaluations.list_evaluations(model)
    if not is_kept(Output.MODEL_REPORT, Information.FILE_NAMES, requested=keep_names):
        external = [entry.hide_folder() for entry in external]
    facts = checklists.collect_facts(model, external)
    own: list[Element] = _origin_section(model)
    if model.has_out_of_fold:
        own = [
            *_data_section(model),
            *_method_section(facts),
            *_metrics_section(model),
            *_subgroups_section(model, keep_names),
        ]
        own += _curves_section(model)
    elements: list[Element] = [
        Paragraph(NOT_A_MEDICAL_DEVICE, warning=True),
        *([Paragraph(redaction.NAMES_KEPT_NOTE, warning=True)] if keep_names else []),
        *_summary_section(model),
        *own,
        *_external_section(model, external),
        *(_failures_section(model, data_folder, keep_names) if model.has_out_of_fold else []),
        *_checklist_section("CLAIM 2024", checklists.CLAIM_ITEMS, facts),
        *_checklist_section("TRIPOD+AI", checklists.TRIPOD_ITEMS, facts),
    ]
    return Document(f"Report on the model {model.id}", tuple(elements))


def _summary_section(model: SavedModel) -> list[Element]:
    card = model.card
    lines: list[Element] = [Paragraph(card.note)] if card.note else []
    if not model.has_out_of_fold:
        return lines
    metrics, of_scans = model.metrics, model.card.scan_metrics
    lines.append(
        Paragraph(
            f"Saved {card.created}. Out-of-fold on {metrics.n} {model.unit} of {metrics.groups} "
            f"groups: AUC {metrics.format_metric('auc')}; at the threshold {model.threshold:.3f} "
            f"sensitivity {metrics.format_metric('recall')} and specificity "
            f"{metrics.format_metric('specificity')}. Values in brackets are 95 % confidence "
            "intervals by bootstrap over whole groups."
        )
    )
    return [
        *lines,
        *([Paragraph(describe_scan_metrics(of_scans))] if of_scans else []),
        *(Paragraph(note, warning=True) for note in metrics.notes),
        *_baseline_paragraph(model),
    ]


def _origin_section(model: SavedModel) -> list[Element]:
    """Return what is known of an imported model."""
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
            "This model was imported. Its training data, its training and its out-of-fold metrics "
            "are not known here. The metrics below are of external evaluations; whether the model "
            "was trained on those slices is for the authors to state.",
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
        ("Without a fracture", f"{data.normal}"),
        ("Groups", f"{data.groups}, grouping rule: {data.group_rule}"),
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


def _baseline_paragraph(model: SavedModel) -> list[Element]:
    """Return how the model stands against the audit's baselines; nothing where that is unknown."""
    notice = describe_comparison(model.card.baselines)
    return [Paragraph(notice, warning=is_no_better(model.card.baselines))] if notice else []


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
        Table(
            ("Metric", "Value", wording.CONFIDENCE_INTERVAL_SHORT),
            _metric_rows(metrics),
            (0.4, 0.2, 0.4),
        ),
        Table(
            (
                f"At the threshold {model.threshold:.3f}",
                "Predicted: no fracture",
                "Predicted: fracture",
            ),
            (
                (f"Label: {CLASS_NAMES[0]}", f"{tn}", f"{fp}"),
                (f"Label: {CLASS_NAMES[1]}", f"{fn}", f"{tp}"),
            ),
            (0.4, 0.3, 0.3),
        ),
        Table(("Fold", "Slices", "Groups", "AUC", "Epochs"), folds, (0.2,) * 5),
    ]


def _name_slices(oof: OutOfFoldPredictions, keep_names: bool) -> dict[str, tuple[str, ...]]:
    """Return path, group and subgroups of each slice as the report may show them."""
    columns = {"path": oof.paths, "group": tuple(oof.groups.tolist()), **oof.subgroups}
    return slice_names.number_columns(columns, Output.MODEL_REPORT, keep_names=keep_names)


def _subgroups_section(model: SavedModel, keep_names: bool) -> list[Element]:
    """Return metrics by scanner, size and series, where the slices have several of them."""
    oof = model.load_out_of_fold()
    shown = _name_slices(oof, keep_names)
    elements: list[Element] = []
    for column in oof.subgroups:
        values = shown[column]
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
                *(part.format_metric(metric) for metric in _SUBGROUP_METRICS),
            )
            for name, part in measured.items()
        )
        titles = (METRICS[metric].short_title for metric in _SUBGROUP_METRICS)
        head = (column.capitalize(), "Slices", "Fractures", *titles)
        elements.append(Table(head, rows, (0.25, 0.1, 0.11, 0.18, 0.18, 0.18)))
    return [Heading("Subgroups, out-of-fold"), *elements] if elements else []


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
    """Return the figures that the predictions define, and why others are missing."""
    from spinefrac.report import figures

    oof, history = model.load_out_of_fold(), model.load_history()
    y_true, y_score = oof.labels, oof.probabilities
    calibration = curves.calibration_curve(y_true, y_score, oof.groups)
    decision = curves.decision_curve(y_true, y_score, oof.groups)
    elements: list[Element] = [
        Heading("Curves, out-of-fold"),
        *_rank_curves(oof, model.metrics),
        Figure(
            figures.plot_calibration_curve(calibration),
            "Calibration (reliability diagram) with 95 % confidence intervals over groups."
            + _describe_spiegelhalter_test(oof),
        ),
        Figure(
            figures.plot_decision_curve(decision),
            "Decision curve: net benefit in detected fractures a slice, with 95 % confidence "
            "interval.",
        ),
        Figure(
            figures.plot_score_histogram(y_true, y_score, model.threshold),
            "Probabilities by class.",
        ),
    ]
    if history:
        elements.append(
            Figure(figures.plot_training_history(history), "Training and validation loss by fold.")
        )
    return elements


def _rank_curves(oof: OutOfFoldPredictions, metrics: Metrics) -> list[Element]:
    """Return the ROC and the precision-recall curve, or why there is none."""
    from spinefrac.report import figures

    y_true, y_score = oof.labels, oof.probabilities
    recall, specificity, precision = metrics.recall, metrics.specificity, metrics.precision
    try:
        roc = curves.roc_curve(y_true, y_score)
        roc_band = curves.roc_curve_band(y_true, y_score, oof.folds)
        pr = curves.precision_recall_curve(y_true, y_score)
        pr_band = curves.precision_recall_curve_band(y_true, y_score, oof.folds)
    except DatasetError as error:
        return [Paragraph(str(error), warning=True)]
    on_roc = None if recall is None or specificity is None else (1 - specificity, recall)
    on_pr = None if on_roc is None or precision is None else (on_roc[1], precision)
    prevalence = float(y_true.mean())
    roc_figure = figures.plot_rate_curve(
        roc.false_positive_rate,
        roc.true_positive_rate,
        ("1 - specificity", "sensitivity"),
        (0.0, 1.0),
        roc_band,
        on_roc,
    )
    pr_figure = figures.plot_rate_curve(
        pr.recall,
        pr.precision,
        ("sensitivity (recall)", "PPV (precision)"),
        (prevalence, prevalence),
        pr_band,
        on_pr,
    )
    return [
        Figure(roc_figure, "ROC curve; band: folds, mean ± 1 SD; dot: operating point."),
        Figure(pr_figure, "Precision-recall curve; dotted: chance; dot: operating point."),
    ]


def _describe_spiegelhalter_test(oof: OutOfFoldPredictions) -> str:
    try:
        test = curves.spiegelhalter_test(oof.labels, oof.probabilities, oof.groups)
    except DatasetError:
        return ""
    p = wording.format_p_value(test.p_groups)
    return f" Spiegelhalter's test over groups: z = {test.z_groups:.2f}, {p}."


def _external_section(
    model: SavedModel, external_evaluations: Sequence[Evaluation]
) -> list[Element]:
    elements: list[Element] = [Heading("External evaluation")]
    if not external_evaluations:
        return [*elements, Paragraph("There is no external evaluation.", warning=True)]
    for entry in external_evaluations:
        overlap = entry.seen.describe(entry.metrics.n)
        elements.append(
            Paragraph(
                f"{entry.folder}: {entry.metrics.n} slices of {entry.metrics.groups} groups, "
                f"evaluated {entry.created}. Groups: {entry.data.group_rule}."
            )
        )
        if overlap:
            elements.append(Paragraph(wording.to_sentence(overlap), entry.seen.has_leakage))
        if found := entry.pointing:
            share = wording.format_estimate(found.share, found.ci, 2)
            elements.append(
                Paragraph(
                    "The highest value of the heat map is inside the box of a fracture on "
                    f"{found.hits} of {found.slices} slices, {share}; by chance {found.chance:.2f}."
                )
            )
        if not entry.shift:
            head = ("Metric", "External", wording.CONFIDENCE_INTERVAL_SHORT)
            elements.append(Table(head, _metric_rows(entry.metrics), (0.4, 0.2, 0.4)))
            continue
        elements.append(_shift_table(model, entry))
        elements.append(Paragraph(entry.shift_note))
    return elements


def _shift_table(model: SavedModel, evaluation: Evaluation) -> Table:
    """Return the metrics out-of-fold and external, and the difference of the networks."""
    rows = []
    for name, words in METRICS.items():
        found = evaluation.shift[name]
        if found.value is None or found.interval is None or found.p_holm is None:
            difference, verdict = "-", ""
        else:
            interval = wording.format_interval(found.interval, signed=True)
            difference = f"{found.value:+.3f} ({interval})"
            verdict = wording.describe_significance(found.p_holm)
        rows.append(
            (
                words.title,
                model.metrics.format_metric(name),
                evaluation.metrics.format_metric(name),
                difference,
                verdict,
            )
        )
    head = ("Metric", "Out-of-fold", "External", "Difference of networks", "")
    return Table(head, tuple(rows), (0.2, 0.22, 0.22, 0.22, 0.14))


def _failures_section(
    model: SavedModel, data_folder: Path | None, keep_names: bool
) -> list[Element]:
    """Return the largest errors as a table, and as images where the slices are available."""
    oof = model.load_out_of_fold()
    shown = _name_slices(oof, keep_names)
    wrong = np.where(oof.labels == 1, 1 - oof.probabilities, oof.probabilities)
    failed = (oof.probabilities >= model.threshold) != (oof.labels == 1)
    rows = np.flatnonzero(failed)
    rows = rows[np.argsort(-wrong[rows], kind="stable")][:MAX_FAILURES]
    elements: list[Element] = [
        Heading("Failure cases"),
        Paragraph(
            f"The predicted class is wrong on {int(failed.sum())} of {len(failed)} {model.unit}. "
            f"The {len(rows)} with the largest error of the probability:"
        ),
        Table(
            ("Slice", "Group", "Label", "Probability", "Fold"),
            tuple(
                (
                    redaction.to_printable(shown["path"][row]),
                    redaction.to_printable(shown["group"][row]),
                    CLASS_NAMES[oof.labels[row]],
                    f"{oof.probabilities[row]:.3f}",
                    f"{oof.folds[row] + 1}",
                )
                for row in rows.tolist()
            ),
            (0.42, 0.18, 0.15, 0.15, 0.1),
        ),
    ]
    if model.is_of_scans:
        return elements
    if data_folder is None:
        return [*elements, Paragraph("For images, give the folder of the slices with --data.")]
    return [*elements, *_failure_images(model, data_folder, rows[:MAX_FAILURE_IMAGES].tolist())]


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
        image = heatmap.render_slice(imaging.to_display(ct), prediction.heatmap)
        caption = f"{CLASS_NAMES[oof.labels[row]]}, probability {oof.probabilities[row]:.3f}"
        shown.append((image, caption))
    elements: list[Element] = [ImageGrid(tuple(shown))] if shown else []
    if shown:
        elements.append(
            Paragraph(
                "Heat maps are of the whole ensemble, most of whose networks were trained on "
                "these slices; the probability is out-of-fold."
            )
        )
    if missing:
        elements.append(
            Paragraph(
                f"{missing} of {len(rows)} slices are missing from this folder or have changed.",
                True,
            )
        )
    return elements


def _checklist_section(
    name: str, items: Sequence[tuple[str, str, str | None]], facts: dict[str, str]
) -> list[Element]:
    return [
        Heading(name),
        Paragraph(
            "Filled in from the run where it has the information. Items are paraphrased; see the "
            "checklist for their full wording."
        ),
        Table(
            ("Item", "Topic", "Content"),
            checklists.fill_checklist(items, facts),
            (0.08, 0.32, 0.6),
        ),
    ]
