"""What may leave: one table of every kind of output and every kind of information.

Names of files, folders and groups may be names of patients. They stay in ``HOME/runs``, which is
private, and on the screen of the user whose files they are. Everything else that is written asks
`treatment` what it may carry. docs/privacy.md shows the same table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Information(StrEnum):
    """A kind of information, in the words of the table."""

    FILE_NAMES = "names of files and folders"
    GROUPS = "groups"
    SERIES = "series"
    NOTES = "notes of the scan"
    COLUMNS = "names of table columns"
    PATIENT = "name, identifier and sex of the patient"
    DATES = "dates of birth and study"
    UIDS = "identifiers of study, series and slice"
    OWN_WORDS = "names, notes and tags that users give to models"


class Treatment(StrEnum):
    """What happens to a kind of information."""

    KEPT = "kept"
    NUMBERED = "numbered"
    PSEUDONYM = "pseudonym"
    COUNTED = "counted"
    LEFT_OUT = "left out"


class Output(StrEnum):
    """A kind of output, in the words of the table."""

    CARD = "`card.json`, `MODEL_CARD.md`, `models show`"
    OUT_OF_FOLD = "`oof.csv` in the folder of a model"
    EXPORT = "`models export`"
    PUSH = "`models push`"
    MLFLOW = "MLflow"
    MODEL_REPORT = "report on a model"
    PREDICTION_REPORT = "report on predictions"
    DICOM_RESULTS = "DICOM results"
    EVALUATION = "saved external evaluations"
    HISTORY = "history of predictions"
    CLUSTER = "workers of a Dask cluster"
    LOG = "messages and errors of runs, `runner.log`"
    DEIDENTIFIED = "`deidentify`"
    OWN_COPIES = "`import`, `augment`, `--heatmap-dir`, `--write-groups`"
    SCREEN = "terminal, `--json` and pages, on the user's own files"
    PRIVATE = "`runs/` in `SPINEFRAC_HOME`"


@dataclass(frozen=True, slots=True)
class Rule:
    """What an output does with a kind of information, and the option that keeps it."""

    default: Treatment
    option: str = ""

    def __str__(self) -> str:
        return f"{self.default}, kept with `{self.option}`" if self.option else self.default


KEEP_NAMES, IDENTITY = "--keep-names", "--identity"

_KEPT, _LEFT_OUT = Rule(Treatment.KEPT), Rule(Treatment.LEFT_OUT)
_NUMBERED, _PSEUDONYM = Rule(Treatment.NUMBERED), Rule(Treatment.PSEUDONYM)
_ON_REQUEST = Rule(Treatment.NUMBERED, KEEP_NAMES)
_IF_SELECTED = Rule(Treatment.LEFT_OUT, IDENTITY)

#: What every output leaves out or counts where `POLICY` does not say otherwise.
_DEFAULT = dict.fromkeys(Information, _LEFT_OUT) | {
    Information.NOTES: Rule(Treatment.COUNTED),
    Information.OWN_WORDS: _KEPT,
}
_NAMES = (Information.FILE_NAMES, Information.GROUPS, Information.SERIES)
_HEADER = (Information.PATIENT, Information.DATES, Information.UIDS)

#: The policy: what each kind of output does with each kind of information.
POLICY: Mapping[Output, Mapping[Information, Rule]] = {
    Output.CARD: _DEFAULT,
    Output.OUT_OF_FOLD: _DEFAULT | dict.fromkeys(_NAMES, _NUMBERED),
    Output.EXPORT: _DEFAULT | dict.fromkeys(_NAMES, _ON_REQUEST),
    Output.PUSH: _DEFAULT | dict.fromkeys(_NAMES, _ON_REQUEST),
    Output.MLFLOW: _DEFAULT,
    Output.MODEL_REPORT: _DEFAULT | dict.fromkeys(_NAMES, _ON_REQUEST),
    Output.PREDICTION_REPORT: _DEFAULT
    | {Information.FILE_NAMES: _NUMBERED}
    | dict.fromkeys(_HEADER, _IF_SELECTED),
    Output.DICOM_RESULTS: _DEFAULT
    | {Information.FILE_NAMES: _NUMBERED}
    | dict.fromkeys(_HEADER, _IF_SELECTED)
    | {Information.UIDS: _KEPT},
    Output.EVALUATION: _DEFAULT | dict.fromkeys(_NAMES, _NUMBERED),
    Output.HISTORY: _DEFAULT,
    Output.CLUSTER: _DEFAULT | {Information.GROUPS: _NUMBERED, Information.OWN_WORDS: _LEFT_OUT},
    Output.LOG: _DEFAULT,
    Output.DEIDENTIFIED: _DEFAULT
    | dict.fromkeys((*_HEADER, Information.FILE_NAMES), _PSEUDONYM)
    | {Information.OWN_WORDS: _LEFT_OUT},
    Output.OWN_COPIES: dict.fromkeys(Information, _KEPT),
    Output.SCREEN: dict.fromkeys(Information, _KEPT) | dict.fromkeys(_HEADER, _LEFT_OUT),
    Output.PRIVATE: dict.fromkeys(Information, _KEPT) | dict.fromkeys(_HEADER, _PSEUDONYM),
}

#: Said on an output that keeps names because a user asked for them.
NAMES_KEPT_NOTE = (
    f"File names, groups and series of the training slices were kept on request ({KEEP_NAMES}); "
    "they may identify patients."
)

#: Said on a card from which names were removed after it was saved.
CLEANED_NOTE = "Names of files or folders were removed from this card after it was saved."


def treatment(output: Output, kind: Information, *, requested: bool = False) -> Treatment:
    """Return what an output does with a kind of information.

    Parameters
    ----------
    output : Output
    kind : Information
    requested : bool
        Whether the user asked to keep it; this counts only where the policy has an option.

    >>> treatment(Output.EXPORT, Information.SERIES)
    <Treatment.NUMBERED: 'numbered'>
    >>> treatment(Output.MLFLOW, Information.SERIES, requested=True)
    <Treatment.LEFT_OUT: 'left out'>
    """
    rule = POLICY[output][kind]
    return Treatment.KEPT if requested and rule.option else rule.default


def is_kept(output: Output, kind: Information, *, requested: bool = False) -> bool:
    """Return whether an output keeps a kind of information; parameters as `treatment`."""
    return treatment(output, kind, requested=requested) is Treatment.KEPT


def format_policy() -> str:
    """Return the policy as a table in Markdown, one row an output."""
    head = ["", *Information]
    rows = [[output, *(str(POLICY[output][kind]) for kind in Information)] for output in Output]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


# --- text that is printed -------------------------------------------------------------------


def to_printable(text: str, *, keep_lines: bool = False) -> str:
    """Return text from outside as a terminal can show it: every control character becomes ``?``.

    File names and headers may hold escape sequences, line ends and signs that turn the direction
    of writing; all of them are replaced, and so is a byte of a name that is no UTF-8.

    Parameters
    ----------
    text : str
    keep_lines : bool
        Whether line ends are the program's own and stay.

    >>> to_printable("SMITH\\x1b]0;gone\\x07\\n.png")
    'SMITH?]0;gone??.png'
    """
    return "".join(
        sign
        if sign.isprintable() or (keep_lines and sign == "\n")
        else " "  # a narrow space, say, which not every terminal can show
        if unicodedata.category(sign) == "Zs"
        else "?"
        for sign in text
    )


def shorten_name(name: str) -> str:
    """Return a file's name as it is shown: printable, and 80 characters at most."""
    shown = to_printable(name)
    return shown if len(shown) <= 80 else f"{shown[:60]}…{shown[-19:]}"


# --- text that is saved ---------------------------------------------------------------------

#: Notes of earlier versions that quote names, and what is said instead.
_QUOTING_NOTES = (
    (r"Left out .*: not a class folder\.", "Left out folders that are not class folders."),
    (
        r"Read the folders .*?( of (?:train|val|test))? as one class, (fracture|no fracture)\.",
        r"Read several folders\1 as one class, \2.",
    ),
    (r"(\d+ slices have duplicates with another label), such as .*: (keep .*\.)", r"\1: \2"),
)

#: Tables whose names are the program's own.
_OWN_TABLES = re.compile(r"\b(?:labels|train|train_bounding_boxes)\.csv\b")
_PATH_LIKE = re.compile(r"[/\\]|\.[A-Za-z]\w{1,5}\b")

_GROUP_EXAMPLE = re.compile(r" \(.* belongs to .*\)(?=;|$)", re.DOTALL)
_GROUP_COLUMN = re.compile(r"by the column (.*) of labels\.csv", re.DOTALL)

#: Names of columns that name nobody.
_COMMON_COLUMNS = frozenset(
    ("patient", "patientid", "patient_id", "subject", "subject_id", "participant",
     "participant_id", "case", "case_id", "id", "study", "study_id", "studyinstanceuid", "series",
     "series_id", "seriesinstanceuid", "group")
)  # fmt: skip

_COLUMN_SETTING = "csv:"
#: Stands for the name of a column in the settings of a card.
_UNNAMED_COLUMN = "(name left out)"


def clean_note(note: str) -> str:
    """Return a note of the scan without names; empty where it may quote one in unknown words.

    >>> clean_note("Left out SMITH_JOHN_CT, MEYER: not a class folder.")
    'Left out folders that are not class folders.'
    >>> clean_note("Left out 1 repeated rows of labels.csv.")
    'Left out 1 repeated rows of labels.csv.'
    """
    for pattern, general in _QUOTING_NOTES:
        if found := re.fullmatch(pattern, note, re.DOTALL):
            return found.expand(general)
    return "" if _PATH_LIKE.search(_OWN_TABLES.sub("", note)) else note


def clean_notes(notes: Iterable[str]) -> tuple[str, ...]:
    """Return notes of the scan without names, each once."""
    return tuple(dict.fromkeys(filter(None, map(clean_note, notes))))


def clean_group_rule(rule: str) -> str:
    """Return a grouping rule without the file that it is explained by, and without own columns.

    >>> clean_group_rule("by the patient folder (SMITH_03.png belongs to SMITH)")
    'by the patient folder'
    """
    return _GROUP_COLUMN.sub(
        lambda found: found[0] if _is_common(found[1]) else "by a column of labels.csv",
        _GROUP_EXAMPLE.sub("", rule),
    )


def clean_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return training settings without the name of an own column to group by."""
    rule = settings.get("group_by")
    if isinstance(rule, str) and rule.startswith(_COLUMN_SETTING):
        column = rule.removeprefix(_COLUMN_SETTING)
        rule = rule if _is_common(column) else f"{_COLUMN_SETTING}{_UNNAMED_COLUMN}"
        return {**settings, "group_by": rule}
    return dict(settings)


def _is_common(column: str) -> bool:
    return column.strip().casefold() in _COMMON_COLUMNS


def hide_names(text: str, names: Iterable[str]) -> str:
    """Return text with every given name replaced by ``…``, whole words only, longest name first.

    >>> hide_names("fracture/SMITH_1.png is damaged", ["SMITH_1.png", "fracture/SMITH_1.png"])
    '… is damaged'
    """
    for name in sorted(set(names), key=len, reverse=True):
        if name in text:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text)
    return text
