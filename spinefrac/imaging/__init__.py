"""From bytes to a slice, and from a slice to a model's input: all preprocessing is here."""

from spinefrac.imaging.preprocess import apply_window, project_heatmap, to_display, to_input
from spinefrac.imaging.read import read, read_with_header

__all__ = [
    "apply_window",
    "project_heatmap",
    "read",
    "read_with_header",
    "to_display",
    "to_input",
]
