"""Bytes into a slice, and a slice into a model's input: the only preprocessing there is."""

from spinefrac.imaging.preprocess import apply_window, project_heatmap, to_display, to_input
from spinefrac.imaging.read import read, read_tags, read_with_header

__all__ = [
    "apply_window",
    "project_heatmap",
    "read",
    "read_tags",
    "read_with_header",
    "to_display",
    "to_input",
]
