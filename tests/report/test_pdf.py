"""A report as PDF: the same bytes each time, whatever characters it holds."""

import numpy as np
import pytest

from spinefrac.report import html, model_report, pdf
from spinefrac.report.elements import Document, Heading, ImageGrid, Paragraph, Table
from spinefrac.store.repository import SavedModel
from tests.report.conftest import outline

pytestmark = pytest.mark.usefixtures("no_home")


def test_pdf_is_one_and_the_same_each_time(model: SavedModel) -> None:
    first = pdf.render(model_report.build_model_report(model))
    assert first.startswith(b"%PDF-") and first.rstrip().endswith(b"%%EOF")
    assert first.count(b"/Type /Page\n") + first.count(b"/Type /Page ") >= 3
    assert pdf.render(model_report.build_model_report(model)) == first
    assert b"http" not in first.replace(b"http://www.reportlab.com", b"")


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
