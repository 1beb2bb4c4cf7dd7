"""Elements of a report. `html` and `pdf` lay them out and know nothing of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; `warning` highlights it."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header, empty texts for none; `widths` are shares that add up to 1."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...]


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption."""

    drawing: Drawing
    caption: str


@dataclass(frozen=True)
class ImageGrid:
    """RGB images, uint8 (H, W, 3), side by side, each with its caption."""

    images: tuple[tuple[npt.NDArray[np.uint8], str], ...]


Element = Heading | Paragraph | Table | Figure | ImageGrid


@dataclass(frozen=True, slots=True)
class Document:
    """A report: its title and its elements in order."""

    title: str
    elements: tuple[Element, ...]
