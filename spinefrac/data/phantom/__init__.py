"""Synthetic axial vertebrae with known truth: everything can be tried without anybody's data.

`plan` says who is fractured and seeds every draw; `anatomy` builds a slice's bone and
`tissue` what surrounds it; `fractures` breaks the bone; `scanner` reconstructs; `rendering`
joins them into one slice; `write` and `dicom` make files of a whole phantom.
"""

from spinefrac.data.phantom.rendering import PhantomSlice, render
from spinefrac.data.phantom.write import PhantomSummary, write_phantom

__all__ = ["PhantomSlice", "PhantomSummary", "render", "write_phantom"]
