"""Words and number formats that pages, command line, reports and model cards share.

Every metric has one title, one short title and one description; every number is written in one
way. Keys are those of JSON and of the model card, which do not change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: A narrow space that does not break, between a number and its unit.
NARROW_NBSP = "\N{NARROW NO-BREAK SPACE}"
#: Stands for a number that the data do not define.
UNDEFINED = "not defined"
#: The confidence level of every interval, with its noun.
CONFIDENCE_INTERVAL_SHORT = "95 % CI"

#: A corrected p-value below it is called significant.
SIGNIFICANCE_LEVEL = 0.05

Interval = tuple[float, float]


def explain_fewer_folds(n_folds: int, default: int) -> str:
    """Return why an automatic number of folds is smaller than usual; empty where it is not."""
    if n_folds >= default:
        return ""
    return (
        f"{n_folds} folds, not {default}: the most that keep whole groups of both classes in every "
        "fold"
    )


@dataclass(frozen=True, slots=True)
class MetricWording:
    """How a metric is called and shown.

    Attributes
    ----------
    title : str
        In tables and headings.
    short_title : str
        Where space is short.
    description : str
        What it means, in one sentence.
    is_percentage : bool
        Whether it is a share of slices, shown in per cent.
    lower_is_better : bool
    """

    title: str
    short_title: str
    description: str
    is_percentage: bool = False
    lower_is_better: bool = False


#: By JSON key, in the order of tables.
METRICS = {
    "auc": MetricWording(
        "ROC AUC",
        "AUC",
        "Probability that a random slice with a fracture gets a higher probability than a random "
        "one without.",
    ),
    "recall": MetricWording(
        "Sensitivity (recall)",
        "Sensitivity",
        "Share of the slices with a fracture that are predicted fracture: TP / (TP + FN).",
        is_percentage=True,
    ),
    "specificity": MetricWording(
        "Specificity",
        "Specificity",
        "Share of the slices without a fracture that are predicted no fracture: TN / (TN + FP).",
        is_percentage=True,
    ),
    "precision": MetricWording(
        "PPV (precision)",
        "PPV",
        "Positive predictive value: share of the slices predicted fracture that have one, "
        "TP / (TP + FP). It depends on the prevalence.",
        is_percentage=True,
    ),
    "accuracy": MetricWording(
        "Accuracy",
        "Accuracy",
        "Share of all slices that are predicted correctly.",
        is_percentage=True,
    ),
    "balanced_accuracy": MetricWording(
        "Balanced accuracy",
        "Balanced accuracy",
        "Mean of sensitivity and specificity.",
        is_percentage=True,
    ),
    "f1": MetricWording("F1", "F1", "Harmonic mean of sensitivity and PPV."),
    "average_precision": MetricWording(
        "Average precision (AP)", "AP", "Area under the precision-recall curve, as a step function."
    ),
    "mcc": MetricWording(
        "Matthews correlation (MCC)",
        "MCC",
        "Correlation of the predicted and the true class, from -1 to 1.",
    ),
    "brier": MetricWording(
        "Brier score",
        "Brier score",
        "Mean squared error of the probability; lower is better.",
        lower_is_better=True,
    ),
    "log_loss": MetricWording(
        "Log loss",
        "Log loss",
        "Mean negative log-likelihood of the true class; lower is better.",
        lower_is_better=True,
    ),
    "ece": MetricWording(
        "Expected calibration error (ECE)",
        "ECE",
        "Mean distance of predicted probability and observed share of fractures; lower is better.",
        lower_is_better=True,
    ),
}

#: Negative predictive value, which evaluations hold at a stated prevalence only.
NPV = MetricWording(
    "Negative predictive value (NPV)",
    "NPV",
    "Share of the slices predicted no fracture that have none: TN / (TN + FN). It depends on the "
    "prevalence.",
    is_percentage=True,
)

#: Cells of the confusion matrix: short name and title.
CONFUSION_CELLS = {
    "tn": ("TN", "True negatives"),
    "fp": ("FP", "False positives (false alarms)"),
    "fn": ("FN", "False negatives (missed fractures)"),
    "tp": ("TP", "True positives (detected fractures)"),
}

#: What the verdict of a data set's audit means for a model that was trained on it.
_AUDIT_CONCLUSIONS = {
    "ok": "The data set was audited; nothing was found that would inflate the metrics.",
    "caution": "The audit of the data set advises caution: the metrics may be inflated, and "
    "predictions may depend on something other than the fracture.",
    "unusable": "The audit found the data set unusable: neither metrics nor predictions show that "
    "the model detects fractures.",
}
NOT_AUDITED = "The data set was not audited."

#: What the verdict of an audit means for training on the folder.
AUDIT_ADVICE = {
    "ok": "Nothing was found that speaks against training on this folder.",
    "caution": "Training is possible; read the findings before you trust a metric.",
    "unusable": "No metric on this folder shows how a model performs on new patients.",
}
#: Stands where a model was imported.
TRAINING_DATA_UNKNOWN = "The model was imported: its training data are not known and not audited."
#: How the audit knows that files hold the same slice.
DUPLICATE_KINDS = {
    "exact": "identical pixels",
    "near": "nearly identical, in the same orientation",
    "turned": "rotated, mirrored, sharpened or brightened",
    "named": "augmented copy by its file name",
}
#: The audit's baselines: trivial models that cannot see a fracture.
AUDIT_BASELINES = {
    "thumbnail": "Thumbnail of 16 × 16 pixels",
    "features": "Brightness and file properties",
}
#: By what the audit counts the slices of a folder.
FILE_PROPERTIES = {
    "split": "Split",
    "format": "Format",
    "bits": "Bits per pixel",
    "mode": "Kind of grey values",
    "size": "Size",
    "scanner": "Scanner",
}


def describe_audit(verdict: str | None) -> str:
    """Return the sentence that says what a data set's audit means for a model trained on it.

    Parameters
    ----------
    verdict : {"ok", "caution", "unusable"} or None
        None (or an unknown word of a later version) is a data set that was not audited.
    """
    return _AUDIT_CONCLUSIONS.get(verdict or "", NOT_AUDITED)


def format_number(value: float | None, digits: int = 3) -> str:
    """Return a number with `digits` decimals, or "not defined" for None.

    >>> format_number(0.91234), format_number(None)
    ('0.912', 'not defined')
    """
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def format_interval(interval: Interval | None, digits: int = 3, *, signed: bool = False) -> str:
    """Return an interval as two numbers, or a dash where there is none.

    >>> format_interval((0.9, 0.96), 2), format_interval((-0.01, 0.02), 2, signed=True)
    ('0.90 to 0.96', '-0.01 to +0.02')
    """
    if interval is None:
        return "-"
    sign = "+" if signed else ""
    return " to ".join(f"{bound:{sign}.{digits}f}" for bound in interval)


def format_estimate(value: float | None, interval: Interval | None, digits: int = 3) -> str:
    """Return a value with its interval in brackets, where it has one.

    >>> format_estimate(0.93, (0.9, 0.96), 2), format_estimate(0.93, None, 2)
    ('0.93 (0.90 to 0.96)', '0.93')
    """
    text = format_number(value, digits)
    if value is None or interval is None:
        return text
    return f"{text} ({format_interval(interval, digits)})"


def format_percent(share: float, digits: int = 0) -> str:
    """Return a share, 0…1, in per cent; what is not certain is never shown as 0 or 100.

    >>> format_percent(0.876).replace(NARROW_NBSP, " ")
    '88 %'
    >>> format_percent(0.9999).replace(NARROW_NBSP, " ")
    '> 99 %'
    >>> format_percent(0.876, digits=1).replace(NARROW_NBSP, " ")
    '87.6 %'
    """
    step = 10.0**-digits
    rounded = round(100 * share, digits)
    if rounded >= 100 and share < 1:
        return f">{NARROW_NBSP}{100 - step:.{digits}f}{NARROW_NBSP}%"
    if rounded <= 0 and share > 0:
        return f"<{NARROW_NBSP}{step:.{digits}f}{NARROW_NBSP}%"
    return f"{rounded:.{digits}f}{NARROW_NBSP}%"


def format_percent_interval(interval: Interval | None) -> str:
    """Return an interval of shares, 0…1, in per cent, or a dash where there is none.

    >>> format_percent_interval((0.82, 0.93)).replace(NARROW_NBSP, " ")
    '82 to 93 %'
    """
    if interval is None:
        return "-"
    low, high = (round(100 * bound) for bound in interval)
    return f"{low} to {high}{NARROW_NBSP}%"


def format_percent_estimate(share: float, interval: Interval | None) -> str:
    """Return a share, 0…1, in per cent with its interval in brackets, where it has one.

    >>> format_percent_estimate(0.88, (0.82, 0.93)).replace(NARROW_NBSP, " ")
    '88 % (82 to 93 %)'
    """
    text = format_percent(share)
    return text if interval is None else f"{text} ({format_percent_interval(interval)})"


def format_metric(key: str, value: float | None, interval: Interval | None = None) -> str:
    """Return a metric's value with its interval: a share in per cent, else as a number.

    Parameters
    ----------
    key : str
        A key of `METRICS`.
    value : float or None
    interval : (low, high), optional
    """
    if value is not None and METRICS[key].is_percentage:
        return format_percent_estimate(value, interval)
    return format_estimate(value, interval, 2)


def format_p_value(p: float, name: str = "p") -> str:
    """Return a p-value with its name, or alone where `name` is empty, as in a column of a table.

    >>> format_p_value(0.0321), format_p_value(0.0001), format_p_value(0.0321, name="")
    ('p = 0.032', 'p < 0.001', '0.032')
    """
    if p < 0.001:
        return f"{name} < 0.001".strip()
    return f"{name} = {p:.3f}" if name else f"{p:.3f}"


def describe_significance(p: float) -> str:
    """Return whether a corrected p-value is significant.

    >>> describe_significance(0.01), describe_significance(0.05)
    ('significant', 'not significant')
    """
    return "significant" if p < SIGNIFICANCE_LEVEL else "not significant"


def format_count(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun.

    >>> format_count(1, "slice"), format_count(1200, "slice"), format_count(2, "series", "series")
    ('1 slice', '1,200 slices', '2 series')
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def format_megabytes(size: int) -> str:
    """Return a size in bytes as megabytes of a million bytes.

    >>> format_megabytes(12_345_678)
    '12.3 MB'
    """
    return f"{size / 1e6:.1f} MB"


def format_duration(seconds: float) -> str:
    """Return a duration for people.

    >>> format_duration(40), format_duration(700), format_duration(12_000)
    ('40 s', '12 min', '3 h 20 min')
    """
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"


#: First word of a message that is a name, such as ``png-63.dcm`` or ``normal/a``, and no word.
_NAME = re.compile(r"\S*([./_\\]\w|\d)")


def to_sentence(text: str) -> str:
    """Return a message as a sentence: one line, a capital first, a full stop last.

    A message that begins with the name of a file keeps it as it is.

    >>> to_sentence("expected a folder")
    'Expected a folder.'
    >>> to_sentence("slice.png: expected a whole png file")
    'slice.png: expected a whole png file.'
    """
    text = " ".join(text.split())
    first = text[:1] if _NAME.match(text) else text[:1].upper()
    return first + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


#: Grades of the input check (`records.LIKE` and the others), as people read them.
GRADE_TITLES = {
    "like": "Like the training slices",
    "unusual": "Unusual slice: needs review by a reader",
    "unlike": "Unlike the training slices: do not rely on this prediction",
}

#: In place of predictive values, error rates and a band, for a slice of the other two grades.
RATES_DO_NOT_HOLD = (
    "Predictive values, sensitivity and error rates were measured on slices like the training "
    "slices. They do not hold for this slice, so none is stated."
)

#: On every prediction of a model that has seen phantoms only.
SYNTHETIC_MODEL_WARNING = (
    "This model was trained on synthetic slices only. It must not be used on people: its "
    "predictions for real slices mean nothing."
)


def describe_grade(grade: str) -> str:
    """Return a grade of the input check within a sentence or a table.

    Examples
    --------
    >>> describe_grade("unusual")
    'unusual'
    """
    return {"like": "like the training slices", "unlike": "unlike the training slices"}.get(
        grade, grade
    )


#: Columns of the table by grade of the input check, see `evaluation.by_grade`.
GRADE_COLUMNS = (
    "Input check",
    "Slices",
    "AUC",
    "With a fracture / mean probability",
    "Wrong",
    "Wrong outside the abstention band",
)
