"""The widgets for an augmentation: where to start from, range and probability of each transform."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import streamlit as st

from spinefrac import wording
from spinefrac.training.augmentation import presets as sets
from spinefrac.training.augmentation.config import LIMITS, AugmentationConfig
from spinefrac.ui.common import layout

#: What each transform is to people, and its step on a slider in the slider's own units.
GEOMETRIC_TRANSFORMS = ("flip", "rotation", "zoom", "shift")
INTENSITY_TRANSFORMS = ("sharpness", "brightness", "contrast", "noise")
TRANSFORM_HELP = {
    "flip": "Left and right change places.",
    "rotation": "To the left above 0, to the right below.",
    "zoom": "Larger above 0, smaller below.",
    "shift": "To the right and down above 0, as a share of the side; drawn for each axis.",
    "sharpness": "Fine detail is added above 0 and taken away below.",
    "brightness": "Brighter above 0, darker below, as a share of the range from black to white.",
    "contrast": "Around the mean grey value: stronger above 0, weaker below.",
    "noise": "Grain, as its standard deviation relative to the range from black to white.",
}
SLIDER_STEPS = {"noise": 0.5}
#: How far the sliders go: short ways are easier to hit. For a set that goes further, to `LIMITS`.
DEFAULT_SLIDER_LIMITS = {
    "rotation": 90.0,
    "zoom": 0.5,
    "shift": 0.3,
    "brightness": 0.6,
    "noise": 0.3,
}

#: The set that was chosen or saved last; the Train page offers it first.
SELECTED_PRESET_KEY = "augmentation-preset"


@dataclass(frozen=True)
class AugmentationSelection:
    """What the widgets say: the set that they started from, and what they make of it."""

    preset: str
    config: AugmentationConfig

    @property
    def is_modified(self) -> bool:
        return self.config != sets.load(self.preset)


def choose_augmentation() -> AugmentationSelection:
    """Show the widgets; they begin with what the chosen set says."""
    entries = {entry.name: entry for entry in sets.list_augmentations()}
    usable = [name for name, entry in entries.items() if entry.config is not None]
    state = st.session_state
    if state.get("augmentation-base-preset") not in usable:
        wanted = state.get(SELECTED_PRESET_KEY)
        state["augmentation-base-preset"] = wanted if wanted in usable else "standard"
    start = st.selectbox(
        "Start from",
        usable,
        key="augmentation-base-preset",
        format_func=lambda n: f"{n.capitalize()} (preset)" if entries[n].is_preset else n,
        help="Presets come with the app. Your own are saved under “Use it”.",
    )
    state[SELECTED_PRESET_KEY] = start
    for entry in entries.values():
        if entry.error:
            st.error(
                layout.escape_markdown(wording.to_sentence(entry.error)), icon=":material/report:"
            )
    before = entries[start].config or AugmentationConfig()
    # Another set has other widgets, so that they begin with its values.
    key = f"{start}-{sha256(before.to_python_code().encode()).hexdigest()[:8]}"
    values: dict[str, object] = {}
    for title, names in (
        ("Place and size", GEOMETRIC_TRANSFORMS),
        ("Grey values", INTENSITY_TRANSFORMS),
    ):
        st.html(f'<div class="sf-card-title sf-section-title">{title}</div>')
        for name in names:
            with st.container(key=f"transform-{name}"):
                values |= (
                    _choose_flip(before, key)
                    if name == "flip"
                    else _choose_transform(name, before, key)
                )
    return AugmentationSelection(start, AugmentationConfig(**values))  # type: ignore[arg-type]


def _choose_transform(name: str, base_config: AugmentationConfig, key: str) -> dict[str, object]:
    """Show range and probability of one transform; return its fields.

    What nobody moved stays as it is to the last digit, also where a slider's step is coarser.
    """
    scale, step = _get_display_scale(name), SLIDER_STEPS.get(name, 1.0)
    lowest, highest = (limit * scale for limit in _get_slider_limits(name, base_config))
    low, high = (round(end * scale / step) * step for end in base_config.get_range(name))
    range_column, often_column = st.columns([1.9, 1], gap="small")
    moved = range_column.slider(
        name.capitalize(),
        lowest,
        highest,
        (low, high),
        step,
        format="%g°" if name == "rotation" else "%g %%",
        key=f"augmentation-{name}-{key}",
        help=TRANSFORM_HELP[name],
    )
    often = _choose_probability(often_column, name, base_config.get_probability(name), key)
    same = tuple(moved) == (low, high)
    return {
        name: getattr(base_config, name) if same else (moved[0] / scale, moved[1] / scale),
        f"{name}_probability": often,
    }


def _get_slider_limits(name: str, base_config: AugmentationConfig) -> tuple[float, float]:
    """Return the ends of a transform's slider."""
    lowest, highest = LIMITS[name]
    usual = DEFAULT_SLIDER_LIMITS.get(name, highest)
    low, high = base_config.get_range(name)
    return (lowest, highest) if max(-low, high) > usual else (max(lowest, -usual), usual)


def _choose_flip(base_config: AugmentationConfig, key: str) -> dict[str, object]:
    label_column, often_column = st.columns([1.9, 1], gap="small")
    label_column.html(
        f'<div class="sf-label">Flip</div><p class="sf-note">{TRANSFORM_HELP["flip"]}</p>'
    )
    shown = base_config.flip_probability if base_config.flip else 0.0
    often = _choose_probability(often_column, "flip", shown, key)
    if often == shown:
        return {"flip": base_config.flip, "flip_probability": base_config.flip_probability}
    return {"flip": often > 0, "flip_probability": often or base_config.flip_probability}


def _choose_probability(
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


def _get_display_scale(name: str) -> float:
    """Return what a value is multiplied with to be shown: shares are shown as percentages."""
    return 1.0 if name == "rotation" else 100.0


def format_amount(name: str, value: float) -> str:
    """Return a transform's value as people read it: ``+15°``, ``−10 %``."""
    if name == "flip":
        return "mirrored" if value else "as it is"
    text = f"{abs(value) * _get_display_scale(name):.3g}"
    sign = "" if name == "noise" or not float(text) else "−" if value < 0 else "+"
    return f"{sign}{text}°" if name == "rotation" else f"{sign}{text}{wording.NARROW_NBSP}%"
