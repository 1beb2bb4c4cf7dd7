"""Colours of figures and reports; those of the heat map are in `spinefrac.viz.heatmap`."""

from __future__ import annotations

#: One colour a class, the index is the label; legible on light and on dark.
CLASS_COLOURS = ("#4a9db6", "#e2703a")
#: One colour a model, in the order of their choice; a contrast of 3 to light and to dark.
MODEL_COLOURS = ("#2b84a6", "#d9622b", "#8f63c9", "#5b8a2e", "#c64a85", "#8a7440")
#: Lines that only help to read the others.
REFERENCE_COLOUR = "#808b95"
#: The operating point.
ACCENT_COLOUR = "#d9622b"
#: The threshold in a histogram.
THRESHOLD_COLOUR = "#8d99a4"

#: Colours of a report, HTML and PDF, by the name of their CSS variable.
REPORT_COLOURS = {
    "text": "#1d262f",
    "text-muted": "#4c5a66",
    "background": "#ffffff",
    "line": "#d3dae0",
    "grid": "#d9dee3",
    "accent": "#c9541f",
    "warning-background": "#f3e1dc",
    "image-background": "#0b0e11",
}
