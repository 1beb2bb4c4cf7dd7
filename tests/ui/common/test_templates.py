"""HTML of the pages from templates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from spinefrac.ui import common
from spinefrac.ui.common.templates import render_html

UI = Path(common.__file__).parents[1]


def test_text_is_escaped_and_markup_is_not() -> None:
    assert render_html("common/note.html", text="<b>").strip() == '<p class="sf-note">&lt;b&gt;</p>'
    assert "<b>x</b>" in render_html("common/note.html", text=Markup("<b>x</b>"))


def test_a_missing_variable_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_html("common/note.html")


def test_the_last_cell_of_a_short_row_is_stretched() -> None:
    shown = render_html("common/table.html", titles=("A", "B"), rows=[("a", "<b>"), ("whole",)])
    assert '<td data-title="B">&lt;b&gt;</td>' in shown
    assert '<td colspan="2">whole</td>' in shown
    assert "<thead>" not in render_html("common/table.html", titles=("", ""), rows=[("a", "b")])


def test_every_class_of_the_templates_is_in_the_style_sheet() -> None:
    style = (UI / "common/style.css").read_text()
    used = {
        name
        for path in (UI / "templates").rglob("*.html")
        for name in re.findall(r"sf-[a-z-]*[a-z]", path.read_text())
    }
    assert len(used) > 20
    assert {name for name in used if not re.search(rf"{name}(?![\w-])", style)} == set()


def test_a_colour_is_written_in_the_properties_of_the_style_sheet_only() -> None:
    properties, rules = (UI / "common/style.css").read_text().split("}", 1)
    assert properties.count("#") > 5
    assert not re.findall(r"#[0-9a-f]{3,6}\b", rules)
