"""Elements hold what `html` and `pdf` lay out: both know every kind of element."""

from typing import get_args

import pytest

from spinefrac.report import elements, html
from spinefrac.report.elements import Document, Paragraph


def test_html_lays_out_every_kind_of_element():
    assert set(html._LAYOUTS) == set(get_args(elements.Element))


def test_a_document_does_not_change():
    document = Document("t", (Paragraph("p"),))
    with pytest.raises(AttributeError):
        document.title = "another"
