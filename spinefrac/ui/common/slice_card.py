"""A slice in a grid of slices: its images, what is known of it, its path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from spinefrac.ui.common.templates import render_html


@dataclass(frozen=True, slots=True)
class SliceImage:
    """One image of a slice, or why there is none.

    Attributes
    ----------
    source : str
        A ``data:`` address.
    caption : str
    alt : str
    error : str
        One line in place of the image.
    """

    source: str = ""
    caption: str = ""
    alt: str = "CT slice"
    error: str = ""


def render_slice_card(
    path: str, images: Sequence[SliceImage], lines: Sequence[str] = (), label: str = ""
) -> Markup:
    """Return a slice as HTML.

    Parameters
    ----------
    path : str
        Shown below; bytes of a file's name that are no text become question marks.
    images : sequence of SliceImage
    lines : sequence of str
    label : str
        The label of the data set, set in bold above the lines.
    """
    return render_html(
        "common/slice_card.html",
        path=replace_invalid_unicode(path),
        images=images,
        lines=[line for line in lines if line],
        label=label,
    )


def replace_invalid_unicode(text: str) -> str:
    """Return a text that a browser can be sent, whatever bytes a file's name holds.

    >>> replace_invalid_unicode("slice-\\udcff.png")
    'slice-?.png'
    """
    return text.encode("utf-8", "replace").decode()
