"""CLAIM 2024 and TRIPOD+AI for a saved model, filled in where the run has the information.

Items are paraphrased; the numbers are those of the checklists.

References
----------
Tejani et al. (2024), "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024
update", Radiology: Artificial Intelligence 6(4), doi 10.1148/ryai.240300.
Collins et al. (2024), "TRIPOD+AI statement", BMJ 385, e078378, doi 10.1136/bmj-2023-078378.
"""

from __future__ import annotations

from collections.abc import Sequence

from spinefrac.evaluation.calibration import ENSEMBLE_NOTE
from spinefrac.evaluation.operating_point import THRESHOLD_OPTIMISM_NOTE
from spinefrac.store.evaluations import Evaluation
from spinefrac.store.repository import SavedModel
from spinefrac.wording import METRICS

#: Where the run does not have the information.
AUTHOR_PLACEHOLDER = "For the authors."

#: Number, topic, and its content (a key of `collect_facts`); None is for the authors.
CLAIM_ITEMS = (
    ("1", "Title names the kind of AI", "kind"),
    ("2", "Structured abstract", None),
    ("3", "Background, intended use and clinical role", None),
    ("4", "Aims and hypotheses", None),
    ("5", "Prospective or retrospective", None),
    ("6", "Goal of the study", None),
    ("7", "Sources of the data", "data"),
    ("8", "Inclusion and exclusion criteria", "excluded"),
    ("9", "Preprocessing", "preprocessing"),
    ("10", "Selection of subsets of the data", "subsets"),
    ("11", "De-identification", None),
    ("12", "Missing data", "missing"),
    ("13", "Protocol of image acquisition", None),
    ("14", "How the reference standard was obtained", None),
    ("15", "Why that reference standard", None),
    ("16", "Who annotated, and with what qualification", None),
    ("17", "Annotation of the test set", None),
    ("18", "Variability between and within annotators", None),
    ("19", "How data were assigned to partitions", "partitions"),
    ("20", "Level at which partitions are disjoint", "disjoint"),
    ("21", "Intended sample size", None),
    ("22", "The model in detail", "model"),
    ("23", "Software and versions", "software"),
    ("24", "Initial parameters", "start"),
    ("25", "Training in detail", "training"),
    ("26", "How the final model was selected", "selection"),
    ("27", "Ensembling", "ensemble"),
    ("28", "Metrics of performance", "metrics"),
    ("29", "Statistical uncertainty", "uncertainty"),
    ("30", "Robustness or sensitivity analysis", None),
    ("31", "Explainability", "explanation"),
    ("32", "Evaluation on internal data", "internal"),
    ("33", "Testing on external data", "external"),
    ("34", "Registration of a clinical trial", None),
    ("35", "Patients included and excluded", "flow"),
    ("36", "Demographics of each partition", None),
    ("37", "Performance with uncertainty", "performance"),
    ("38", "Diagnostic performance and its precision", "diagnostic"),
    ("39", "Analysis of failures", "failures"),
    ("40", "Limitations", "limitations"),
    ("41", "Implications for practice", None),
    ("42", "Full protocol or technical details", "protocol"),
    ("43", "Availability of software, model and data", "availability"),
    ("44", "Funding and the role of funders", None),
)

TRIPOD_ITEMS = (
    ("1", "Title: model, population and outcome", None),
    ("2", "Abstract by TRIPOD+AI for Abstracts", None),
    ("3a", "Healthcare context and rationale", None),
    ("3b", "Target population, place in care, users", None),
    ("3c", "Known health inequalities", None),
    ("4", "Objectives: development or evaluation", "kind"),
    ("5a", "Sources of the data and their representativeness", "data"),
    ("5b", "Dates of the data", None),
    ("6a", "Setting and centres", None),
    ("6b", "Eligibility of participants", None),
    ("6c", "Treatments received", None),
    ("7", "Preparation and quality checks of the data", "preprocessing"),
    ("8a", "Outcome, and how and when it was assessed", None),
    ("8b", "Qualification of the outcome's assessors", None),
    ("8c", "Blinding of the assessment", None),
    ("9a", "Choice of predictors", "predictors"),
    ("9b", "Definition of predictors", "preprocessing"),
    ("9c", "Assessors of predictors", "predictors"),
    ("10", "Sample size", "size"),
    ("11", "Missing data", "missing"),
    ("12a", "How data were used, partitions", "partitions"),
    ("12b", "Handling of predictors", "preprocessing"),
    ("12c", "Kind of model, its building, internal validation", "training"),
    ("12d", "Heterogeneity between clusters", "disjoint"),
    ("12e", "Measures of performance", "metrics"),
    ("12f", "Updating of the model", "selection"),
    ("12g", "How predictions were calculated in evaluation", "output"),
    ("13", "Class imbalance", "imbalance"),
    ("14", "Fairness", None),
    ("15", "Output of the model, thresholds and why", "output"),
    ("16", "Differences between development and evaluation data", "external"),
    ("17", "Ethical approval and consent", None),
    ("18a", "Funding", None),
    ("18b", "Conflicts of interest", None),
    ("18c", "Protocol", None),
    ("18d", "Registration", None),
    ("18e", "Sharing of data", None),
    ("18f", "Sharing of code", "availability"),
    ("19", "Involvement of patients and the public", None),
    ("20a", "Flow of participants", "flow"),
    ("20b", "Characteristics of participants", None),
    ("20c", "Comparison of development and evaluation data", "external"),
    ("21", "Participants and outcomes in each analysis", "flow"),
    ("22", "The full model, to let others use it", "protocol"),
    ("23a", "Performance with intervals, also of subgroups", "performance"),
    ("23b", "Heterogeneity of performance between clusters", "folds"),
    ("24", "Results of updating", "selection"),
    ("25", "Interpretation", None),
    ("26", "Limitations", "limitations"),
    ("27a", "Input of poor quality or missing, in use", "input_check"),
    ("27b", "Interaction and expertise that users need", None),
    ("27c", "Next steps for research", None),
)


def fill_checklist(
    items: Sequence[tuple[str, str, str | None]], facts: dict[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """Return (number, topic, content) of every item of a checklist."""
    return tuple(
        (number, item, facts[key] if key else AUTHOR_PLACEHOLDER) for number, item, key in items
    )


def collect_facts(model: SavedModel, evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Return what the card and the evaluations say, by the keys of the checklists.

    For an imported model these are the file and the external evaluations.
    """
    if not model.has_out_of_fold:
        keys = {key for _, _, key in (*CLAIM_ITEMS, *TRIPOD_ITEMS) if key}
        return {**dict.fromkeys(keys, AUTHOR_PLACEHOLDER), **_imported_facts(model, evaluations)}
    return {**_data_facts(model), **_method_facts(model), **_result_facts(model, evaluations)}


def _imported_facts(model: SavedModel, evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Return what is known of an imported model."""
    card, size = model.card, model.preprocessing.size
    return {
        "kind": "A convolutional neural network that was imported; the title is for the authors.",
        "model": f"{card.parameters} parameters, input {size} by {size}; the rest is for the "
        "authors.",
        "output": f"The predicted class is fracture from a probability of {model.threshold:.4f} "
        f"({card.operating_point.rule}).",
        "uncertainty": _UNCERTAINTY_TEXT,
        "metrics": _METRICS_TEXT,
        "external": _describe_external_evaluations(evaluations) or "Not done. For the authors.",
        "protocol": f"card.json of {model.id}, SHA-256 {model.card_hash[:16]}; training: for the "
        "authors.",
        "limitations": "Training data and out-of-fold performance are not known to this report; "
        "more: for the authors.",
    }


_UNCERTAINTY_TEXT = "95 % confidence intervals by bootstrap over whole groups."
_METRICS_TEXT = (
    f"{', '.join(words.title for words in METRICS.values())}; calibration and decision curves."
)


def _describe_external_evaluations(evaluations: Sequence[Evaluation]) -> str:
    return "; ".join(
        f"{entry.folder}: AUC {entry.metrics.format_metric('auc')} on {entry.metrics.n} slices"
        + (" (overlaps with the training data)" if entry.seen.has_leakage else "")
        for entry in evaluations
    )


def _data_facts(model: SavedModel) -> dict[str, str]:
    data, folds = model.data, len(model.card.folds)
    prevalence = data.fracture / data.images
    return {
        "data": f"{data.images} slices of {data.groups} groups, fingerprint "
        f"{data.fingerprint[:16]}. Origin: for the authors.",
        "excluded": f"{data.unreadable} files could not be read and were excluded. Criteria for "
        "patients: for the authors.",
        "subsets": "All readable, labelled slices of the folder were used, without selection.",
        "missing": f"Slices without a label are not read; {data.unreadable} unreadable files were "
        "excluded; nothing was imputed.",
        "partitions": f"{folds} folds, stratified by label, with a fixed seed; each is held out "
        "once.",
        "disjoint": f"Groups: {data.group_rule}. No group is in two folds.",
        "flow": f"{data.images} slices of {data.groups} groups in the analysis, {data.fracture} "
        f"with a fracture; {data.unreadable} files excluded. Patients before that: for the "
        "authors.",
        "size": f"{data.groups} groups with {data.images} slices were available; why these: for "
        "the authors.",
        "imbalance": f"{100 * prevalence:.1f} % of the slices show a fracture; "
        f"{_describe_class_weights(model)}; probabilities are calibrated at this prevalence.",
    }


def _describe_class_weights(model: SavedModel) -> str:
    """Return how training handled class imbalance."""
    weighted = model.card.settings.get("class_weights")
    if weighted is None:
        return "class weights were not recorded"
    return "both classes had equal weight in the loss" if weighted else "the loss was not weighted"


def _name_initial_weights(weights: str | None) -> str:
    """Return where the weights came from; models from before they had names have None."""
    if weights == "spine":
        return "spine, which come with spinefrac and were taught with synthetic slices"
    return "random" if weights in (None, "none") else weights


def _method_facts(model: SavedModel) -> dict[str, str]:
    card, pre = model.card, model.card.preprocessing
    crop = "cropped to the bone" if pre.bone_crop else "the whole field of view"
    chosen = {k: v for k, v in card.settings.items() if v is not None and not isinstance(v, dict)}
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in chosen.items())
    return {
        "kind": f"A convolutional neural network ({card.network}), developed and internally "
        "validated; the title is for the authors.",
        "preprocessing": f"Window {pre.window_center:g} HU, {pre.window_width:g} HU wide; {crop}; "
        f"resized to {pre.size} by {pre.size} pixels.",
        "predictors": "The pixels of a single slice; no other predictor and no reader.",
        "model": f"{card.network}, {card.parameters} parameters a fold, input {pre.size} by "
        f"{pre.size} by 1, one logit.",
        "software": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
        "start": f"Initial weights: {_name_initial_weights(card.settings.get('weights'))}; seed "
        f"{card.settings.get('seed', 'not recorded')}.",
        "training": f"{settings}.",
        "selection": "Epochs and weights were not selected on evaluated slices; the network of "
        "every fold is part of the ensemble, and none was updated afterwards. "
        f"{THRESHOLD_OPTIMISM_NOTE}",
        "ensemble": f"Mean of the logits of {len(card.folds)} fold networks. {ENSEMBLE_NOTE}",
        "metrics": _METRICS_TEXT,
        "uncertainty": _UNCERTAINTY_TEXT,
        "explanation": "Exact class activation maps in logit units, from the network's last "
        "feature map.",
        "output": f"Probability sigmoid(mean logit / {model.temperature:.3f}); the class is "
        f"fracture from {model.threshold:.4f}, chosen out-of-fold by the rule "
        f"{card.operating_point.rule}.",
        "protocol": f"card.json of {model.id}, SHA-256 {model.card_hash[:16]}, holds every "
        "setting, and hashes of the weights.",
        "availability": "spinefrac is free software under the MIT licence; model and data: for "
        "the authors.",
        "input_check": "Every input is compared with the training inputs; those out of "
        "distribution are marked, and unreadable files are refused.",
    }


def _result_facts(model: SavedModel, evaluations: Sequence[Evaluation]) -> dict[str, str]:
    metrics, has_subgroups = model.metrics, bool(model.load_out_of_fold().subgroups)
    aucs = [fold.auc for fold in model.card.folds if fold.auc is not None]
    return {
        "internal": f"Out-of-fold predictions on all {metrics.n} {model.unit}, each by the network "
        "that was not trained on the patient.",
        "external": _describe_external_evaluations(evaluations) or "Not done. For the authors.",
        "performance": f"AUC {metrics.format_metric('auc')}; Brier score "
        f"{metrics.format_metric('brier')}; see Metrics. "
        + ("By subgroup of the files: see Subgroups. " if has_subgroups else "")
        + "Subgroups of patients: for the authors.",
        "diagnostic": f"Sensitivity {metrics.format_metric('recall')}, specificity "
        f"{metrics.format_metric('specificity')} at the threshold.",
        "failures": "The largest errors are listed under Failure cases; their causes: for the "
        "authors.",
        "folds": f"AUC of the folds {min(aucs):.3f} to {max(aucs):.3f}."
        if aucs
        else "No fold has both classes.",
        "limitations": "Single slices, without their neighbours; "
        + ("evaluated out-of-fold only, not on external data; " if not evaluations else "")
        + ("the data set was not audited; " if model.card.audit_verdict is None else "")
        + "more: for the authors.",
    }
