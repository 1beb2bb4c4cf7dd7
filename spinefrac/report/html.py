"""A report as one HTML file without links to other files: figures are SVG elements."""

from __future__ import annotations

import re
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from spinefrac.report.elements import (
    Document,
    Element,
    Figure,
    Heading,
    ImageGrid,
    Paragraph,
    Table,
)
from spinefrac.viz import heatmap
from spinefrac.viz.colours import REPORT_COLOURS
from spinefrac.viz.templates import get_environment

if TYPE_CHECKING:
    from markupsafe import Markup

#: Which macro of the template lays out which element.
_LAYOUTS = {
    Heading: "heading",
    Paragraph: "paragraph",
    Table: "table",
    Figure: "figures",
    ImageGrid: "images",
}
#: Longest side of an image in a report, in pixels.
_MAX_IMAGE_SIDE = 384


def render(document: Document) -> bytes:
    """Return the file's bytes; the same document gives the same bytes.

    Parameters
    ----------
    document : Document

    Returns
    -------
    bytes
        HTML in UTF-8 without any URL to outside the file.
    """
    environment = get_environment("spinefrac.report").overlay()
    environment.filters = environment.filters | {
        "svg": _to_svg,
        "data_url": partial(heatmap.encode_data_url, max_side=_MAX_IMAGE_SIDE),
    }
    text = environment.get_template("report.html").render(
        title=document.title, parts=_group_figures(document), colours=REPORT_COLOURS
    )
    return text.encode("utf-8", "replace")


def _group_figures(document: Document) -> list[tuple[str, Any]]:
    """Return (layout, element) in order; figures that follow each other are one list."""
    parts: list[tuple[str, Any]] = []
    for layout, elements in groupby(document.elements, key=_get_layout):
        run = list(elements)
        parts += [(layout, run)] if layout == "figures" else [(layout, one) for one in run]
    return parts


def _get_layout(element: Element) -> str:
    return _LAYOUTS[type(element)]


def _to_svg(figure: Figure) -> Markup:
    """Return a drawing as an SVG element, which in HTML needs no name space and no prologue."""
    from markupsafe import Markup, escape
    from reportlab.graphics import renderSVG

    text = renderSVG.drawToString(figure.drawing)
    text = text[text.index("<svg") :]
    text = re.sub(r'\sxmlns(?::\w+)?="[^"]*"', "", text)
    # The caption is its description.
    text = re.sub(r"<(title|desc)>.*?</\1>", "", text, flags=re.DOTALL)
    opening = f'<svg role="img" aria-label="{escape(figure.caption)}"'
    return Markup(re.sub(r"<svg\b", lambda _: opening, text, count=1))
