"""The six synthetic slices that come with the app, held out from the demonstration model."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from spinefrac import imaging
from spinefrac.viz import heatmap

SAMPLES_DIR = Path(__file__).parents[1] / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """One bundled file; its name says its class: ``fracture-1.dcm``, ``normal-2.png``."""

    path: Path

    @property
    def true_label(self) -> str:
        return "fracture" if self.path.stem.startswith("fracture") else "no fracture"

    def describe(self) -> str:
        """Return the sample's name on one line."""
        return f"{self.path.stem.replace('-', ' ').capitalize()} · {self.path.suffix[1:].upper()}"

    @property
    def button_label(self) -> str:
        kind = "DICOM" if self.path.suffix == ".dcm" else "PNG"
        return f"{self.true_label.capitalize()}\n{kind}"


def list_samples() -> list[Sample]:
    """Return the bundled samples, both classes by turns."""
    files = [path for path in SAMPLES_DIR.iterdir() if path.suffix in (".dcm", ".png")]
    return [Sample(path) for path in sorted(files, key=lambda path: path.stem.split("-")[::-1])]


def show_gallery(selected: Sample | None, *, large: bool) -> Sample | None:
    """Show the samples as buttons that carry their slice; return the one just clicked."""
    clicked = None
    rules = []
    with st.container(key="samples-large" if large else "samples"):
        for number, sample in enumerate(list_samples()):
            rules.append(
                f".st-key-sample-{number} button"
                f"{{background-image:url(data:image/webp;base64,{_encode_thumbnail(str(sample.path))})}}"
            )
            if sample == selected:
                rules.append(f".st-key-sample-{number} button{{border-color:#5fb7d0!important}}")
            if st.button(sample.button_label, key=f"sample-{number}"):
                clicked = sample
    st.html(f"<style>{''.join(rules)}</style>")
    return clicked


@st.cache_data(max_entries=12, show_spinner=False)
def _encode_thumbnail(path: str) -> str:
    grey = imaging.to_display(imaging.read(path))
    return base64.b64encode(heatmap.encode_thumbnail(grey)).decode()
