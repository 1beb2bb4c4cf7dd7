"""The six synthetic slices that come with the app, held out from the demonstration model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from spinefrac import imaging
from spinefrac.imaging import decoder_pool
from spinefrac.ui.common.templates import render_html
from spinefrac.viz import heatmap

#: What to try with each sample, by its name.
CAPTIONS = {
    "fracture-1": "Change the window to see the line",
    "fracture-2": "Look where the heat map is",
    "fracture-3": "Zoom in on the line",
    "normal-1": "See what the networks agree on",
    "normal-2": "Read Hounsfield units under the pointer",
    "normal-3": "Say whether you agree",
}

SAMPLES_DIR = Path(__file__).parents[1] / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """One bundled file; its name says its class: ``fracture-1.dcm``, ``normal-2.png``."""

    path: Path

    @property
    def true_label(self) -> str:
        """The class that the slice was generated with."""
        return "fracture" if self.path.stem.startswith("fracture") else "no fracture"

    def describe(self) -> str:
        """Return the sample's name on one line."""
        return f"{self.path.stem.replace('-', ' ').capitalize()} · {self.path.suffix[1:].upper()}"

    @property
    def button_label(self) -> str:
        """Class and format, on two lines."""
        kind = "DICOM" if self.path.suffix == ".dcm" else "PNG"
        return f"{self.true_label.capitalize()}\n{kind}"


def list_samples() -> list[Sample]:
    """Return the bundled samples, the classes alternating."""
    files = [path for path in SAMPLES_DIR.iterdir() if path.suffix in (".dcm", ".png")]
    return [Sample(path) for path in sorted(files, key=lambda path: path.stem.split("-")[::-1])]


def find_sample(name: str) -> Sample | None:
    """Return the sample of a name, such as ``fracture-1``; None where there is none."""
    return next((sample for sample in list_samples() if sample.path.stem == name), None)


def show_gallery(selected: Sample | None, *, large: bool) -> Sample | None:
    """Show the samples as buttons that carry their slice; return the one just clicked."""
    clicked = None
    samples = list_samples()
    with st.container(key="samples-large" if large else "samples"):
        for number, sample in enumerate(samples):
            with st.container(key=f"try-sample-{number}", gap="xxsmall"):
                if st.button(sample.button_label, key=f"sample-{number}"):
                    clicked = sample
                if large:
                    st.caption(CAPTIONS[sample.path.stem])
    st.html(
        render_html(
            "common/sample_images.html",
            thumbnails=[_encode_thumbnail(str(sample.path)) for sample in samples],
            selected=samples.index(selected) if selected in samples else None,
        )
    )
    return clicked


@st.cache_data(max_entries=12, show_spinner=False)
def _encode_thumbnail(path: str) -> str:
    """Return a slice as a small image, as a ``data:`` URL."""
    grey = imaging.to_display(decoder_pool.read(path))
    return heatmap.thumbnail_url(heatmap.encode_thumbnail(grey))
