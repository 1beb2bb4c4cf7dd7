"""Bytes into a slice, and a slice into a model's input: the only preprocessing there is."""

from spinefrac.imaging.preprocess import display, to_input, to_slice, window
from spinefrac.imaging.read import read, read_tags

__all__ = ["display", "read", "read_tags", "to_input", "to_slice", "window"]
