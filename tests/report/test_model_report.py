"""The report: complete, offline, the same each time, and honest about what it does not know."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from spinefrac.evaluation import metrics, operating_point
from spinefrac.evaluation.calibration import apply_temperature
from spinefrac.records import EpochRecord, OutOfFoldPredictions, Preprocessing
from spinefrac.report import checklists, figures, html, model_report, pdf
from spinefrac.report.elements import Document, Figure, Heading, ImageGrid, Paragraph, Table
from spinefrac.store import card, repository
from spinefrac.store.card import Card, DataSummary, FoldRecord
from spinefrac.store.repository import SavedModel


def made_up(folder: Path, *, one_class: bool = False, name: str = "made-up") -> SavedModel:
    """A saved model without networks: card, answers and history are all that a report reads."""
    rng = np.random.default_rng(0)
    groups = np.repeat([f"p{i}" for i in range(12)], 5)
    labels = np.zeros(60, int) if one_class else np.tile([0, 1, 0, 1, 0], 12)
    logits = 1.5 * (2 * labels - 1) + rng.normal(0, 1.5, 60)
    scores = apply_temperature(logits, 1.2)
    point = (
        operating_point.OperatingPoint(0.5, "youden", 0.0, 0.9)
        if one_class
        else operating_point.choose_threshold(labels, scores, groups, n_resamples=100)
    )
    path = folder / name
    path.mkdir()
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow((*repository.OOF_COLUMNS, "scanner"))
    for i in range(60):
        file = f"{'fracture' if labels[i] else 'normal'}/<b>{i:03}.png"
        numbers = (groups[i], labels[i], i // 5 % 3, logits[i], scores[i])
        writer.writerow((file, *numbers, "", f"Maker {i // 5 % 2}"))
    (path / repository.OOF_FILE).write_text(rows.getvalue())
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(EpochRecord.__slots__)
    for fold in range(3):
        writer.writerows((fold, e, 1 / e, 1.1 / e, 0.5 + e / 20, 1e-3, 2.0) for e in range(1, 6))
    (path / repository.HISTORY_FILE).write_text(rows.getvalue())
    made = Card(
        id=name,
        note="made by a test & nothing else",
        created="2026-01-02T03:04:05+00:00",
        data=DataSummary("f" * 64, 60, 12, "file name", 24, 36, 2, ("a note",)),
        preprocessing=Preprocessing(),
        network="compact",
        parameters=12_345,
        settings={"epochs": 5, "seed": 7, "weights": None},
        folds=tuple(FoldRecord(f, 20, 4, 0.8 + f / 100, 5, 10.0, "0" * 64, 9) for f in range(3)),
        metrics=metrics.compute_metrics(labels, scores, groups, point.threshold, n_resamples=100),
        calibration=card.Calibration(1.2, "set by a test"),
        operating_point=point,
        input_check={},
        keras_onnx_max_difference=0.0,
        versions={"python": "3.11"},
        files={},
    )
    return SavedModel(path, made, "c" * 64)


@pytest.fixture(autouse=True)
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


@pytest.fixture
def model(tmp_path: Path) -> SavedModel:
    return made_up(tmp_path)


class Outline(HTMLParser):
    """Collects what an HTML file refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [
            value or "" for name, value in attrs if name in ("src", "href", "data", "xlink:href")
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(content: bytes) -> Outline:
    parser = Outline()
    parser.feed(content.decode())
    return parser


def test_html_asks_for_nothing_from_outside(model: SavedModel) -> None:
    content = html.render(model_report.build_model_report(model))
    found = outline(content)
    assert not re.search(rb"https?:|//[a-z]|@import|url\((?!#)", content)
    assert all(reference.startswith(("data:", "#")) for reference in found.references)
    assert not {"script", "link", "iframe", "b"} & set(found.tags)  # <b> is in a file's name
    assert found.tags.count("svg") == 6


def test_every_section_and_the_numbers_are_there(model: SavedModel) -> None:
    found = outline(html.render(model_report.build_model_report(model)))
    for title in ("Data", "Audit", "Method", "Metrics", "Curves", "Failure cases", "On other"):
        assert title in found.text
    assert "The data set was not audited" in found.text
    assert "made by a test & nothing else" in found.text
    auc = model.metrics.auc
    assert f"{auc:.3f}" in found.text
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", found.text)


def test_pdf_is_one_and_the_same_each_time(model: SavedModel) -> None:
    first = pdf.render(model_report.build_model_report(model))
    assert first.startswith(b"%PDF-") and first.rstrip().endswith(b"%%EOF")
    assert first.count(b"/Type /Page\n") + first.count(b"/Type /Page ") >= 3
    assert pdf.render(model_report.build_model_report(model)) == first
    assert b"http" not in first.replace(b"http://www.reportlab.com", b"")


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


def test_slices_that_are_gone_are_said(model: SavedModel, tmp_path: Path) -> None:
    text = outline(html.render(model_report.build_model_report(model, tmp_path))).text
    assert "slices are not in this folder as they were" in text


# --- checklists --------------------------------------------------------------------------


def test_checklists_have_their_items_once_and_in_order() -> None:
    assert [number for number, _, _ in checklists.CLAIM_ITEMS] == [str(n) for n in range(1, 45)]
    numbers = [number for number, _, _ in checklists.TRIPOD_ITEMS]
    assert list(dict.fromkeys(int(re.match(r"\d+", n)[0]) for n in numbers)) == list(range(1, 28))
    assert len(numbers) == len(set(numbers)) == 52


def test_every_answer_is_known_or_left_to_the_authors(model: SavedModel) -> None:
    known = checklists.collect_facts(model, [])
    for items in (checklists.CLAIM_ITEMS, checklists.TRIPOD_ITEMS):
        filled = checklists.fill_checklist(items, known)
        assert len(filled) == len(items) and all(answer for _, _, answer in filled)
        by_authors = sum(answer == checklists.AUTHOR_PLACEHOLDER for _, _, answer in filled)
        assert 0 < by_authors < len(items)
    assert set(known) == {
        key for _, _, key in (*checklists.CLAIM_ITEMS, *checklists.TRIPOD_ITEMS) if key
    }


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


# --- layout ------------------------------------------------------------------------------


def test_signs_that_no_font_has_do_not_stop_the_pdf() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    odd = "骨折 \u0007 <para> & ±"
    document = Document(
        odd,
        (
            Heading(odd),
            Paragraph(odd, warning=True),
            Table(("", ""), ((odd, "x" * 500),), (0.5, 0.5)),
            ImageGrid(((picture, odd),) * 4),
        ),
    )
    assert pdf.render(document).startswith(b"%PDF-")
    assert "骨折" in outline(html.render(document)).text


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.1, 0.5, [0, 0.2, 0.4]),
        (0, 25, [0, 5, 10, 15, 20, 25]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    found = figures._tick_positions(low, high)
    assert set(ticks) <= set(found) and 3 <= len(found) <= 8
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


def test_answers_of_the_model_are_read_as_written(model: SavedModel) -> None:
    oof = model.load_out_of_fold()
    assert isinstance(oof, OutOfFoldPredictions) and len(oof.paths) == 60 and oof.pixel_hashes == ()
    assert (
        sum(isinstance(block, Figure) for block in model_report.build_model_report(model).elements)
        == 6
    )
