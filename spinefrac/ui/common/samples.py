"""The six synthetic slices that come with the app, held out from the demonstration model."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from spinefrac import imaging
from spinefrac.viz import heatmap

FOLDER = Path(__file__).parents[1] / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """One bundled file; its name says its class: ``fracture-1.dcm``, ``normal-2.png``."""

    path: Path

    @property
    def truth(self) -> str:
        return "fracture" if self.path.stem.startswith("fracture") else "no fracture"

    def line(self) -> str:
        """Return the sample's name on one line."""
        return f"{self.path.stem.replace('-', ' ').capitalize()} · {self.path.suffix[1:].upper()}"

    @property
    def title(self) -> str:
        kind = "DICOM" if self.path.suffix == ".dcm" else "PNG"
        return f"{self.truth.capitalize()}\n{kind}"


def samples() -> list[Sample]:
    """Return the bundled samples, both classes by turns."""
    files = [path for path in FOLDER.iterdir() if path.suffix in (".dcm", ".png")]
    return [Sample(path) for path in sorted(files, key=lambda path: path.stem.split("-")[::-1])]


def gallery(chosen: Sample | None, *, large: bool) -> Sample | None:
    """Show the samples as buttons that carry their slice; return the one just clicked."""
    clicked = None
    rules = []
    with st.container(key="samples-large" if large else "samples"):
        for number, sample in enumerate(samples()):
            rules.append(
                f".st-key-sample-{number} button"
                f"{{background-image:url(data:image/webp;base64,{_thumbnail(str(sample.path))})}}"
            )
            if sample == chosen:
                rules.append(f".st-key-sample-{number} button{{border-color:#5fb7d0!important}}")
            if st.button(sample.title, key=f"sample-{number}"):
                clicked = sample
    st.html(f"<style>{''.join(rules)}</style>")
    return clicked


@st.cache_data(max_entries=12, show_spinner=False)
def _thumbnail(path: str) -> str:
    grey = imaging.display(imaging.read(path))
    return base64.b64encode(heatmap.thumbnail(grey)).decode()
