"""The policy is one table, the documents show it, and text without names stays readable."""

from pathlib import Path

import pytest

from spinefrac import redaction
from spinefrac.redaction import Information, Output, Treatment, treatment

DOCUMENT = Path(__file__).parents[1] / "docs" / "privacy.md"


def test_the_document_shows_the_table_of_the_module() -> None:
    assert redaction.format_policy() in DOCUMENT.read_text(encoding="utf-8")


def test_every_output_treats_every_kind_of_information() -> None:
    assert {kind: set(rules) for kind, rules in redaction.POLICY.items()} == {
        output: set(Information) for output in Output
    }


@pytest.mark.parametrize(
    "output", [o for o in Output if o not in (Output.SCREEN, Output.PRIVATE, Output.OWN_COPIES)]
)
def test_nothing_that_leaves_keeps_a_name_unasked(output: Output) -> None:
    for kind in (Information.FILE_NAMES, Information.GROUPS, Information.SERIES,
                 Information.PATIENT, Information.DATES):  # fmt: skip
        assert treatment(output, kind) is not Treatment.KEPT


def test_an_option_keeps_only_what_the_policy_lets_it_keep() -> None:
    asked = {
        output: treatment(output, Information.GROUPS, requested=True)
        for output in (Output.EXPORT, Output.PUSH, Output.MODEL_REPORT, Output.MLFLOW)
    }
    assert list(asked.values()) == [Treatment.KEPT] * 3 + [Treatment.LEFT_OUT]


@pytest.mark.parametrize(
    "name", ["\x1b]0;gone\x07.png", "a\nb", "a\u202egnp.exe", "a\u2066b", "\x9b31m", "\udcff", "\r"]
)
def test_no_sign_that_a_terminal_obeys_is_left(name: str) -> None:
    assert redaction.to_printable(name).isprintable()


def test_letters_of_any_language_and_lines_of_the_program_stay() -> None:
    assert redaction.to_printable("Müller, Łucja 李, e\u0301") == "Müller, Łucja 李, e\u0301"
    assert redaction.to_printable("a\n\x1bb", keep_lines=True) == "a\n?b"
    assert redaction.to_printable("95\N{NARROW NO-BREAK SPACE}%") == "95 %"


@pytest.mark.parametrize(
    ("note", "cleaned"),
    [
        ("Left out SMITH: not a class folder.", "Left out folders that are not class folders."),
        (
            "Read the folders ZHOU, healthy of train as one class, no fracture.",
            "Read several folders of train as one class, no fracture.",
        ),
        (
            "3 slices have duplicates with another label, such as a/SMITH.png and b/X.png: keep "
            "the file with the correct label.",
            "3 slices have duplicates with another label: keep the file with the correct label.",
        ),
        ("Left out SMITH/CT.", ""),
        ("Left out SMITH.dcm.", ""),
        ("2 files hold several slices: the middle slice of each is used.",) * 2,
        ("Left out 2 slices of studies that train.csv does not name.",) * 2,
    ],
)  # fmt: skip
def test_notes_of_earlier_versions_lose_their_names(note: str, cleaned: str) -> None:
    assert redaction.clean_note(note) == cleaned
    assert redaction.clean_note(cleaned) == cleaned


def test_a_column_is_named_where_its_name_is_a_common_word() -> None:
    assert redaction.clean_group_rule("by the column patient of labels.csv").count("patient") == 1
    rule = "by the column smith of labels.csv; 5 groups became 3, because some share slices"
    assert "smith" not in redaction.clean_group_rule(rule) and "became 3" in rule
    assert redaction.clean_settings({"group_by": "csv:patient"}) == {"group_by": "csv:patient"}
    assert "smith" not in str(redaction.clean_settings({"group_by": "csv:smith", "folds": 2}))


def test_names_are_hidden_as_whole_words() -> None:
    text = "normal/Li/1.png: the slice Li is listed"
    assert redaction.hide_names(text, ["Li", "normal/Li/1.png"]) == "…: the slice … is listed"
