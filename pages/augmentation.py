"""Augmentation: what training does to a slice before it learns from it, shown on a sample."""

from __future__ import annotations

from html import escape

import streamlit as st

from pages import _samples, _shared
from spinefrac import imaging
from spinefrac.records import GreyImage, Preprocessing
from spinefrac.training.augmentation import Augmenter
from spinefrac.training.settings import AugmentationConfig

DEFAULTS = AugmentationConfig()
SHOWN = 8

RANGES = [
    ("Rotation", f"up to {DEFAULTS.rotation:g}° to either side"),
    ("Zoom", f"{1 - DEFAULTS.zoom:.2f} to {1 + DEFAULTS.zoom:.2f} times"),
    ("Brightness", f"up to {_shared.percent(DEFAULTS.brightness)} of the grey range, either way"),
    ("Shift", f"up to {_shared.percent(DEFAULTS.shift)} of the side, along each axis"),
    ("Mirror", "left and right, every other time" if DEFAULTS.flip else "off"),
    ("Contrast", f"{1 - DEFAULTS.contrast:.2f} to {1 + DEFAULTS.contrast:.2f} times"),
    ("Noise", f"up to {_shared.percent(DEFAULTS.noise)} of the grey range (standard deviation)"),
]


@st.cache_data(max_entries=12, show_spinner=False)
def network_input(path: str) -> GreyImage:
    return imaging.to_input(imaging.read(path), Preprocessing()).pixels


_shared.heading(
    "Augmentation",
    "In every epoch each training slice is changed a little, at random, so that the network "
    "learns the fracture and not the picture. Slices that are scored are never changed.",
)

picture_column, range_column = st.columns([1.4, 1], gap="large")
with picture_column, _shared.errors_shown():
    chosen = st.selectbox("Sample", _samples.samples(), format_func=_samples.Sample.line)
    seed = st.slider("Seed", 0, 50, 0, help="The same seed gives the same pictures in training.")
    original = network_input(str(chosen.path))
    augmenter = Augmenter(DEFAULTS, seed)
    pictures = [augmenter(original, epoch, index=0) for epoch in range(SHOWN)]
    with st.container(key="augmented"):
        st.image(original, width="stretch", alt="The sample as the network sees it")
        for epoch, picture in enumerate(pictures, start=1):
            st.image(picture, width="stretch", alt=f"The same sample in epoch {epoch}")
    st.caption(
        f"First the sample as the network sees it, then epochs 1 to {SHOWN}, made by the very "
        "code that training uses."
    )
with range_column:
    st.subheader("Ranges in force", anchor=False)
    _shared.table(("", ""), [(escape(name), escape(text)) for name, text in RANGES])
    st.caption("Each change draws evenly from its range. They are fields of `AugmentationConfig`:")
    st.code(
        "from spinefrac.training.settings import AugmentationConfig\n\n"
        "AugmentationConfig(rotation=10, noise=0)",
        language="python",
        wrap_lines=True,
    )
