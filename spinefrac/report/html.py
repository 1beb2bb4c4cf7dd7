"""A report as one HTML file that asks for nothing from outside: figures are SVG elements."""

from __future__ import annotations

import re
from html import escape

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

_CSS = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d262f; background: #fff; margin: 0 auto;
  max-width: 56rem; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; }
p.warning { background: #f3e1dc; border-left: 4px solid #c9541f; padding: .6rem .9rem; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; font-size: .9375rem;
  font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0;
  border-top: 1px solid #d3dae0; overflow-wrap: anywhere; }
thead th { border-top: 0; }
.figures, .pictures { display: grid; gap: 1.5rem; }
.figures { grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
figure { margin: 0; } figure svg { width: 100%; max-width: 34rem; height: auto; }
figcaption { font-size: .875rem; color: #4c5a66; }
.pictures { grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); }
.pictures img { width: 100%; display: block; background: #0b0e11; }
@media print { h2 { break-after: avoid; } tr, figure { break-inside: avoid; } }
"""


def render(document: Document) -> bytes:
    """Return the file's bytes.

    Parameters
    ----------
    document : Document

    Returns
    -------
    bytes
        HTML in UTF-8 without any address in it but within the page.
    """
    body = [f"<h1>{escape(document.title)}</h1>"]
    open_figures = False
    for block in document.elements:
        if isinstance(block, Figure) != open_figures:
            body.append('<div class="figures">' if not open_figures else "</div>")
            open_figures = not open_figures
        body.append(_element_html(block))
    if open_figures:
        body.append("</div>")
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(document.title)}</title><style>{_CSS}</style></head>\n<body>"
        + "\n".join(body)
        + "</body></html>\n"
    )
    return text.encode("utf-8", "replace")


def _element_html(element: Element) -> str:
    if isinstance(element, Heading):
        return f"<h2>{escape(element.text)}</h2>"
    if isinstance(element, Paragraph):
        return f"<p{' class=warning' if element.warning else ''}>{escape(element.text)}</p>"
    if isinstance(element, Table):
        return _table(element)
    if isinstance(element, Figure):
        return f"<figure>{_svg(element)}<figcaption>{escape(element.caption)}</figcaption></figure>"
    return _image_grid_html(element)


def _table(block: Table) -> str:
    columns = "".join(f'<col style="width:{100 * width:.1f}%">' for width in block.widths)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in block.header)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in block.rows
    )
    titled = f"<thead><tr>{head}</tr></thead>" if any(block.header) else ""
    return f"<table><colgroup>{columns}</colgroup>{titled}<tbody>{rows}</tbody></table>"


def _svg(block: Figure) -> str:
    """Return the drawing as an element; within HTML it needs no name space and no prologue."""
    from reportlab.graphics import renderSVG

    text = renderSVG.drawToString(block.drawing)
    text = text[text.index("<svg") :]
    text = re.sub(r'\sxmlns(?::\w+)?="[^"]*"', "", text)
    # A description of its own, and a size that the page decides.
    text = re.sub(r"<(title|desc)>.*?</\1>", "", text, flags=re.DOTALL)
    return re.sub(r"<svg\b", f'<svg role="img" aria-label="{escape(block.caption)}"', text, count=1)


def _image_grid_html(block: ImageGrid) -> str:
    shown = "".join(
        f'<figure><img src="{heatmap.encode_data_url(picture, max_side=384)}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for picture, caption in block.images
    )
    return f'<div class="pictures">{shown}</div>'
