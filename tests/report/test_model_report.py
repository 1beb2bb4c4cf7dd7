"""The report: complete, offline, the same each time, and honest about what it does not know."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from spinefrac import redaction
from spinefrac.evaluation.baseline_comparison import BaselineComparison, describe_comparison
from spinefrac.records import OutOfFoldPredictions
from spinefrac.report import checklists, html, model_report, pdf
from spinefrac.report.elements import Figure, Paragraph, Table
from spinefrac.store.card_markdown import render_markdown
from spinefrac.store.repository import SavedModel
from tests.report.conftest import made_up, outline

pytestmark = pytest.mark.usefixtures("no_home")


def test_every_section_and_the_numbers_are_there(model: SavedModel) -> None:
    found = outline(html.render(model_report.build_model_report(model)))
    for title in (
        "Data",
        "Audit",
        "Method",
        "Metrics",
        "Curves",
        "Failure cases",
        "External evaluation",
    ):
        assert title in found.text
    assert "The data set was not audited" in found.text
    assert "made by a test & nothing else" in found.text
    auc = model.metrics.auc
    assert f"{auc:.3f}" in found.text
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", found.text)


def test_one_class_gives_words_and_no_nan(tmp_path: Path) -> None:
    document = model_report.build_model_report(made_up(tmp_path, one_class=True, name="one-class"))
    found = outline(html.render(document))
    assert "not defined" in found.text and "of the class 'no fracture'" in found.text
    assert not re.search(r"\bnan\b", found.text)
    assert pdf.render(document).startswith(b"%PDF-")


def test_failures_are_errors_and_the_worst_comes_first(model: SavedModel) -> None:
    blocks = model_report.build_model_report(model).elements
    table = next(b for b in blocks if isinstance(b, Table) and b.header[:1] == ("Slice",))
    wrongness = [float(r[3]) if r[2] == "no fracture" else 1 - float(r[3]) for r in table.rows]
    assert wrongness == sorted(wrongness, reverse=True)
    (_, fp), (fn, _) = model.metrics.confusion_matrix
    assert len(table.rows) == min(model_report.MAX_FAILURES, fp + fn)


def test_slices_and_groups_are_numbers_unless_names_are_asked_for(model: SavedModel) -> None:
    def rows(document) -> list:
        table = next(
            b for b in document.elements if isinstance(b, Table) and b.header[:1] == ("Slice",)
        )
        return [row[:2] for row in table.rows]

    plain = model_report.build_model_report(model)
    assert all(re.fullmatch(r"slice-\d{6} group-\d{5}", " ".join(row)) for row in rows(plain))
    named = model_report.build_model_report(model, keep_names=True)
    assert {row[0] for row in rows(named)} <= set(model.load_out_of_fold().paths)
    assert redaction.NAMES_KEPT_NOTE in outline(html.render(named)).text
    assert redaction.NAMES_KEPT_NOTE not in outline(html.render(plain)).text


def test_slices_that_are_gone_are_said(model: SavedModel, tmp_path: Path) -> None:
    text = outline(html.render(model_report.build_model_report(model, tmp_path))).text
    assert "slices are missing from this folder" in text


def test_subgroups_are_measured_by_what_the_files_say(model: SavedModel) -> None:
    from spinefrac.evaluation.subgroups import metrics_by_subgroup

    blocks = model_report.build_model_report(model).elements
    (table,) = [b for b in blocks if isinstance(b, Table) and b.header[0] == "Scanner"]
    assert [row[0] for row in table.rows] == ["Maker 0", "Maker 1"]
    oof = model.load_out_of_fold()
    wanted = metrics_by_subgroup(
        oof.labels, oof.probabilities, oof.groups, oof.subgroups["scanner"], model.threshold
    )
    assert table.rows[1][3] == wanted["Maker 1"].format_metric("auc")
    assert "see Subgroups" in checklists.collect_facts(model, [])["performance"]


def test_an_audit_verdict_is_repeated(model: SavedModel) -> None:
    audited = replace(model, card=replace(model.card, audit_verdict="unusable"))
    text = outline(html.render(model_report.build_model_report(audited))).text
    assert "found the data set unusable" in text
    assert "not audited" not in text


def test_a_model_that_beats_no_baseline_is_reported_so(model: SavedModel) -> None:
    baselines = (BaselineComparison("properties", 0.82, 0.69, (-0.25, -0.01)),)
    told = replace(model, card=replace(model.card, baselines=baselines))
    document = model_report.build_model_report(told)
    shown = [e for e in document.elements if isinstance(e, Paragraph) and "trivial" in e.text]
    assert [e.warning for e in shown] == [True] and "-0.250 to -0.010" in shown[0].text
    assert describe_comparison(baselines) in render_markdown(told).replace("\\", "")


def test_answers_of_the_model_are_read_as_written(model: SavedModel) -> None:
    oof = model.load_out_of_fold()
    assert isinstance(oof, OutOfFoldPredictions) and len(oof.paths) == 60 and oof.pixel_hashes == ()
    assert (
        sum(isinstance(block, Figure) for block in model_report.build_model_report(model).elements)
        == 6
    )
