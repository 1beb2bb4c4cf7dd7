"""The widgets for an augmentation: where to start from, range and probability of each transform."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import streamlit as st

from spinefrac.training.augmentation import presets as sets
from spinefrac.training.augmentation.config import LIMITS, AugmentationConfig
from spinefrac.ui.common import layout
from spinefrac.ui.common.layout import THIN

#: What each transform is to people, and its step on a slider in the slider's own units.
GEOMETRY = ("flip", "rotation", "zoom", "shift")
GREY = ("sharpness", "brightness", "contrast", "noise")
HELP = {
    "flip": "Left and right change places.",
    "rotation": "To the left above 0, to the right below.",
    "zoom": "Larger above 0, smaller below.",
    "shift": "To the right and down above 0, as a share of the side; drawn for each axis.",
    "sharpness": "Fine detail is added above 0 and taken away below.",
    "brightness": "Brighter above 0, darker below, as a share of the range from black to white.",
    "contrast": "Around the mean grey value: stronger above 0, weaker below.",
    "noise": "Grain, as its standard deviation relative to the range from black to white.",
}
STEPS = {"noise": 0.5}
#: How far the sliders go: short ways are easier to hit. For a set that goes further, to `LIMITS`.
USUAL = {
    "rotation": 90.0,
    "zoom": 0.5,
    "shift": 0.3,
    "brightness": 0.6,
    "noise": 0.3,
}

#: The set that was chosen or saved last; the Train page offers it first.
CHOSEN = "augmentation"


@dataclass(frozen=True)
class Chosen:
    """What the widgets say: the set that they started from, and what they make of it."""

    start: str
    config: AugmentationConfig

    @property
    def changed(self) -> bool:
        return self.config != sets.load(self.start)


def choose() -> Chosen:
    """Show the widgets; they begin with what the chosen set says."""
    entries = {entry.name: entry for entry in sets.listed()}
    usable = [name for name, entry in entries.items() if entry.config is not None]
    state = st.session_state
    if state.get("augmentation-start") not in usable:
        wanted = state.get(CHOSEN)
        state["augmentation-start"] = wanted if wanted in usable else "standard"
    start = st.selectbox(
        "Start from",
        usable,
        key="augmentation-start",
        format_func=lambda n: f"{n.capitalize()} (preset)" if entries[n].preset else n,
        help="Presets come with the app. Your own are saved under “Use it”.",
    )
    state[CHOSEN] = start
    for entry in entries.values():
        if entry.problem:
            st.error(layout.plain(layout.sentence(entry.problem)), icon=":material/report:")
    before = entries[start].config or AugmentationConfig()
    # Another set has other widgets, so that they begin with its values.
    key = f"{start}-{sha256(before.python_call().encode()).hexdigest()[:8]}"
    values: dict[str, object] = {}
    for title, names in (("Place and size", GEOMETRY), ("Grey values", GREY)):
        st.html(f'<div class="sf-eyebrow sf-part">{title}</div>')
        for name in names:
            with st.container(key=f"transform-{name}"):
                values |= _flip(before, key) if name == "flip" else _transform(name, before, key)
    return Chosen(start, AugmentationConfig(**values))  # type: ignore[arg-type]


def _transform(name: str, before: AugmentationConfig, key: str) -> dict[str, object]:
    """Show range and probability of one transform; return its fields.

    What nobody moved stays as it is to the last digit, also where a slider's step is coarser.
    """
    scale, step = _scale(name), STEPS.get(name, 1.0)
    lowest, highest = (limit * scale for limit in _reach(name, before))
    low, high = (round(end * scale / step) * step for end in before.range_of(name))
    range_column, often_column = st.columns([1.9, 1], gap="small")
    moved = range_column.slider(
        name.capitalize(),
        lowest,
        highest,
        (low, high),
        step,
        format="%g°" if name == "rotation" else "%g %%",
        key=f"augmentation-{name}-{key}",
        help=HELP[name],
    )
    often = _probability(often_column, name, before.probability_of(name), key)
    same = tuple(moved) == (low, high)
    return {
        name: getattr(before, name) if same else (moved[0] / scale, moved[1] / scale),
        f"{name}_probability": often,
    }


def _reach(name: str, before: AugmentationConfig) -> tuple[float, float]:
    """Return the ends of a transform's slider."""
    lowest, highest = LIMITS[name]
    usual = USUAL.get(name, highest)
    low, high = before.range_of(name)
    return (lowest, highest) if max(-low, high) > usual else (max(lowest, -usual), usual)


def _flip(before: AugmentationConfig, key: str) -> dict[str, object]:
    label_column, often_column = st.columns([1.9, 1], gap="small")
    label_column.html(f'<div class="sf-label">Flip</div><p class="sf-note">{HELP["flip"]}</p>')
    shown = before.flip_probability if before.flip else 0.0
    often = _probability(often_column, "flip", shown, key)
    if often == shown:
        return {"flip": before.flip, "flip_probability": before.flip_probability}
    return {"flip": often > 0, "flip_probability": often or before.flip_probability}


def _probability(
    column: st.delta_generator.DeltaGenerator, name: str, value: float, key: str
) -> float:
    percent = round(value * 100)
    moved = column.slider(
        "How often",
        0,
        100,
        percent,
        5,
        format="%d %%",
        key=f"augmentation-{name}-probability-{key}",
        help="The share of the draws that it takes part in: its probability.",
    )
    return value if moved == percent else moved / 100


def _scale(name: str) -> float:
    """Return what a value is multiplied with to be shown: shares are shown as percentages."""
    return 1.0 if name == "rotation" else 100.0


def amount(name: str, value: float) -> str:
    """Return a transform's value as people read it: ``+15°``, ``−10 %``."""
    if name == "flip":
        return "mirrored" if value else "as it is"
    text = f"{abs(value) * _scale(name):.3g}"
    sign = "" if name == "noise" or not float(text) else "−" if value < 0 else "+"
    return f"{sign}{text}°" if name == "rotation" else f"{sign}{text}{THIN}%"
