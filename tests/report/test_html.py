"""A report as HTML: one file without links, and everything in it escaped."""

import re

import numpy as np

from spinefrac.report import figures, html, model_report
from spinefrac.report.elements import Document, Figure, Heading, ImageGrid, Paragraph, Table
from spinefrac.store.repository import SavedModel
from tests.report.conftest import outline


def test_html_asks_for_nothing_from_outside(model: SavedModel) -> None:
    content = html.render(model_report.build_model_report(model))
    found = outline(content)
    assert not re.search(rb"https?:|//[a-z]|@import|url\((?!#)", content)
    assert all(reference.startswith(("data:", "#")) for reference in found.references)
    assert not {"script", "link", "iframe", "b"} & set(found.tags)  # <b> is in a file's name
    assert found.tags.count("svg") == 6


HOSTILE = '<script>alert("1")</script> & \'</td>'


def test_text_of_every_element_is_escaped() -> None:
    drawing = figures.plot_rate_curve(
        np.array([0.0, 1.0]), np.array([0.0, 1.0]), ("x", "y"), (0.0, 1.0), None, None
    )
    document = Document(
        HOSTILE,
        (
            Heading(HOSTILE),
            Paragraph(HOSTILE, warning=True),
            Table((HOSTILE, ""), ((HOSTILE, HOSTILE),), (0.3, 0.7)),
            Figure(drawing, HOSTILE),
            ImageGrid(((np.zeros((4, 4, 3), np.uint8), HOSTILE),)),
        ),
    )
    content = html.render(document)
    found = outline(content)
    assert "script" not in found.tags
    assert found.text.count(HOSTILE) == 9  # title twice; the others once, the table three times
    assert html.render(document) == content


def test_figures_that_follow_each_other_are_side_by_side() -> None:
    drawing = figures.plot_rate_curve(
        np.array([0.0, 1.0]), np.array([0.0, 1.0]), ("x", "y"), (0.0, 1.0), None, None
    )
    one = Figure(drawing, "a")
    content = html.render(Document("t", (one, one, Paragraph("p"), one))).decode()
    assert content.count('class="figures"') == 2 and content.count("<figure>") == 3


def test_a_table_without_titles_has_no_head() -> None:
    row = (("a", "b"),)
    bare = html.render(Document("t", (Table(("", ""), row, (0.5, 0.5)),))).decode()
    titled = html.render(Document("t", (Table(("A", ""), row, (0.5, 0.5)),))).decode()
    assert "<thead>" not in bare and "<thead>" in titled
