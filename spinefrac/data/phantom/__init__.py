"""Synthetic axial vertebrae with known labels: everything can be tried without patient data.

`plan` chooses the fractured patients and seeds every random number; `anatomy` builds a slice's
bone and `tissue` what surrounds it; `fractures` breaks the bone; `scanner` reconstructs;
`rendering` joins them into one slice (`series` has its record, `export` its 8-bit picture), `wide`
does the same with far more variety; `write` and `dicom` make files of a whole phantom.
`worker` is the process that does so for a page. `bone_lines` draws fracture lines into a real
slice, `backgrounds` into those of a folder.
"""

from spinefrac.data.phantom.rendering import PhantomSlice, render
from spinefrac.data.phantom.write import PhantomSummary, read_varieties, write_phantom

__all__ = [
    "PhantomSlice",
    "PhantomSummary",
    "read_varieties",
    "render",
    "write_phantom",
]
