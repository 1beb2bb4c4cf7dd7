"""The wide variety: anatomy, scan and picture varied far more than a single clinic would.

A network that is to work on slices of other origin must not rely on what all phantoms share.
`patient` draws what holds over a patient's slices; `vertebra`, `atlas` and `skull` build bone,
`texture` fills it and `confounders` adds what resembles a fracture; `lines` draws fractures;
`surroundings` paints what lies around and `acquisition` scans.
"""

from spinefrac.data.phantom.wide.rendering import render

__all__ = ["render"]
