"""A report as PDF, A4, laid out by ReportLab; figures are vectors, as in the HTML."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import cv2

from spinefrac.report import elements
from spinefrac.report.elements import Document, Element, Figure, Heading, Paragraph, Table
from spinefrac.viz.colours import REPORT_COLOURS
from spinefrac.wording import NARROW_NBSP

_MARGIN = 48.0
#: Images of a report side by side.
_IMAGES_PER_ROW = 3
_MAX_IMAGE_SIDE = 320


def render(document: Document) -> bytes:
    """Return the file's bytes; the same document gives the same bytes.

    Parameters
    ----------
    document : Document

    Returns
    -------
    bytes
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import Paragraph as Line
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    width = A4[0] - 2 * _MARGIN
    story: list[Any] = [
        Line(_to_markup(document.title), _paragraph_style(16, 20, bold=True, space_after=8))
    ]
    pair: list[Figure] = []
    for element in document.elements:
        if isinstance(element, Figure):
            pair.append(element)
            if len(pair) < 2:
                continue
        story += _figures(pair, width)
        pair = []
        if not isinstance(element, Figure):
            story += _flowables(element, width)
    story += _figures(pair, width)
    out = io.BytesIO()
    template = SimpleDocTemplate(
        out,
        pagesize=A4,
        title=document.title,
        author="spinefrac",
        invariant=1,  # no date of printing
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
    )
    template.build(story, onFirstPage=_draw_footer, onLaterPages=_draw_footer)
    return out.getvalue()


def _register_fonts() -> None:
    """Register the fonts that come with ReportLab; they have more characters than Helvetica."""
    import reportlab
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(reportlab.__file__).parent / "fonts"
    for name in ("Vera", "VeraBd"):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))


def _paragraph_style(
    size: float, leading: float, *, bold: bool = False, space_after: float = 4, **more: Any
) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    return ParagraphStyle(
        f"{size}-{bold}-{sorted(more)}",
        fontName="VeraBd" if bold else "Vera",
        fontSize=size,
        leading=leading,
        spaceAfter=space_after,
        wordWrap="LTR",
        splitLongWords=1,
        **more,
    )


def _to_markup(text: str) -> str:
    """Return text as ReportLab's markup; characters that the font lacks become their code."""
    from reportlab.pdfbase import pdfmetrics

    known = pdfmetrics.getFont("Vera").face.charWidths
    text = text.replace(NARROW_NBSP, "\N{NO-BREAK SPACE}")
    return escape("".join(c if ord(c) in known else ascii(c)[1:-1] for c in text))


def _flowables(element: Element, width: float) -> list[Any]:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Paragraph as Line

    if isinstance(element, Heading):
        return [
            Line(
                _to_markup(element.text),
                _paragraph_style(12, 16, bold=True, spaceBefore=12, keepWithNext=1),
            )
        ]
    if isinstance(element, Paragraph):
        more = (
            {"backColor": HexColor(REPORT_COLOURS["warning-background"]), "borderPadding": 4}
            if element.warning
            else {}
        )
        return [Line(_to_markup(element.text), _paragraph_style(9, 12.5, space_after=8, **more))]
    if isinstance(element, Table):
        return [_build_table(element, width)]
    if isinstance(element, elements.ImageGrid):
        return _image_grid_flowables(element, width)
    return []


def _build_table(table: Table, width: float) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Paragraph as Line
    from reportlab.platypus import Table as Grid

    plain, bold = (
        _paragraph_style(8, 10.5, space_after=0),
        _paragraph_style(8, 10.5, bold=True, space_after=0),
    )
    titled = any(table.header)
    rows = [[Line(_to_markup(cell), plain) for cell in row] for row in table.rows]
    if titled:
        rows.insert(0, [Line(_to_markup(cell), bold) for cell in table.header])
    return Grid(
        rows,
        colWidths=[share * width for share in table.widths],
        repeatRows=int(titled),
        style=[
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEABOVE", (0, 0), (-1, -1), 0.4, HexColor(REPORT_COLOURS["line"])),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
        ],
        spaceAfter=10,
        hAlign="LEFT",
    )


def _figures(figures: Sequence[Figure], width: float) -> list[Any]:
    """Return one or two figures side by side with their captions."""
    from reportlab.platypus import Paragraph as Line
    from reportlab.platypus import Table as Grid

    if not figures:
        return []
    caption = _paragraph_style(7.5, 10, space_after=0)
    cells = [[[figure.drawing, Line(_to_markup(figure.caption), caption)] for figure in figures]]
    grid = Grid(cells, colWidths=[width / 2] * len(figures), spaceAfter=8, hAlign="LEFT")
    grid.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
    return [grid]


def _image_grid_flowables(grid: elements.ImageGrid, width: float) -> list[Any]:
    from reportlab.platypus import Image
    from reportlab.platypus import Paragraph as Line
    from reportlab.platypus import Table as Grid

    side = width / _IMAGES_PER_ROW - 8
    cells = []
    for image, caption in grid.images:
        height, across = image.shape[:2]
        factor = min(1.0, _MAX_IMAGE_SIDE / max(height, across))
        size = [max(1, round(across * factor)), max(1, round(height * factor))]
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        _, content = cv2.imencode(".png", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        scale = side / max(size)
        flowable = Image(io.BytesIO(content.tobytes()), size[0] * scale, size[1] * scale)
        cells.append(
            [flowable, Line(_to_markup(caption), _paragraph_style(7.5, 10, space_after=0))]
        )
    rows = [
        cells[start : start + _IMAGES_PER_ROW] for start in range(0, len(cells), _IMAGES_PER_ROW)
    ]
    rows[-1] += [[]] * (_IMAGES_PER_ROW - len(rows[-1]))
    style = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    return [
        Grid(rows, colWidths=[width / _IMAGES_PER_ROW] * _IMAGES_PER_ROW, style=style, spaceAfter=8)
    ]


def _draw_footer(canvas: Any, template: Any) -> None:
    """Print the number of the page and the title of the report."""
    canvas.setFont("Vera", 7)
    canvas.drawString(_MARGIN, 26, template.title)
    canvas.drawRightString(template.pagesize[0] - _MARGIN, 26, f"{canvas.getPageNumber()}")
