"""Widgets for an augmentation: preset, and range and probability of each transform."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import streamlit as st

from spinefrac import wording
from spinefrac.access.policy import Action
from spinefrac.training.augmentation import presets
from spinefrac.training.augmentation.config import LIMITS, AugmentationConfig
from spinefrac.training.augmentation.presets import NamedAugmentation
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.common.templates import render_html

GEOMETRIC_TRANSFORMS = ("flip", "rotation", "zoom", "shift")
INTENSITY_TRANSFORMS = ("sharpness", "brightness", "contrast", "noise")
TRANSFORM_HELP = {
    "flip": "Mirrors the slice left to right.",
    "rotation": "Positive: counterclockwise. Negative: clockwise.",
    "zoom": "Positive: enlarges. Negative: shrinks.",
    "shift": "Positive: to the right and down, as a share of the image side. Drawn separately for "
    "each axis.",
    "sharpness": "Positive: sharpens. Negative: blurs.",
    "brightness": "Positive: brighter. Negative: darker. As a share of the grey range.",
    "contrast": "Positive: higher contrast. Negative: lower contrast, around the mean grey value.",
    "noise": "Standard deviation of Gaussian noise, as a share of the grey range.",
}
#: Steps of the sliders that are not 1, in the slider's own units (see `_get_display_scale`).
SLIDER_STEPS = {"noise": 0.5}
#: Usual ends of the sliders: short sliders are easier to set. `LIMITS` for a wider preset.
DEFAULT_SLIDER_LIMITS = {
    "rotation": 90.0,
    "zoom": 0.5,
    "shift": 0.3,
    "brightness": 0.6,
    "noise": 0.3,
}

#: The preset that was chosen or saved last.
SELECTED_PRESET_KEY = "augmentation-preset"


@dataclass(frozen=True)
class AugmentationSelection:
    """The preset that the user chose, and the configuration that the widgets make of it."""

    preset: NamedAugmentation
    config: AugmentationConfig

    @property
    def is_modified(self) -> bool:
        """Whether the configuration differs from the preset."""
        return self.config != self.preset.config


def choose_augmentation() -> AugmentationSelection:
    """Show the widgets; they start with the values of the chosen preset."""
    identity = visitor.require(Action.TRY_AUGMENTATION)
    entries = {entry.name: entry for entry in presets.list_augmentations(identity)}
    usable = [name for name, entry in entries.items() if entry.config is not None]
    state = st.session_state
    if state.get("augmentation-base-preset") not in usable:
        wanted = state.get(SELECTED_PRESET_KEY)
        state["augmentation-base-preset"] = wanted if wanted in usable else "standard"
    preset = st.selectbox(
        "Preset",
        usable,
        key="augmentation-base-preset",
        format_func=lambda n: f"{n.capitalize()} (built-in)" if entries[n].is_preset else n,
        help="Built-in presets, your own, which you save in “Apply and export”, and shared ones.",
    )
    state[SELECTED_PRESET_KEY] = preset
    for entry in entries.values():
        if entry.error:
            layout.show_error(entry.error, icon=":material/report:")
    base_config = entries[preset].config or AugmentationConfig()
    # Another preset has other widgets, so that they start with its values.
    key = f"{preset}-{sha256(base_config.to_python_code().encode()).hexdigest()[:8]}"
    values: dict[str, Any] = {}
    for title, names in (("Geometry", GEOMETRIC_TRANSFORMS), ("Intensity", INTENSITY_TRANSFORMS)):
        st.html(render_html("augmentation/section_title.html", text=title))
        for name in names:
            with st.container(key=f"transform-{name}"):
                if name == "flip":
                    values |= _choose_flip(base_config, key)
                else:
                    values |= _choose_transform(name, base_config, key)
    return AugmentationSelection(entries[preset], AugmentationConfig(**values))


def _choose_transform(name: str, base_config: AugmentationConfig, key: str) -> dict[str, Any]:
    """Show range and probability of one transform; return its fields.

    A value that was not moved keeps its exact number, also where a slider's step is coarser.
    """
    scale, step = _get_display_scale(name), SLIDER_STEPS.get(name, 1.0)
    lowest, highest = (limit * scale for limit in _get_slider_limits(name, base_config))
    low, high = (round(end * scale / step) * step for end in base_config.get_range(name))
    range_column, probability_column = st.columns([1.9, 1], gap="small")
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
    probability = _choose_probability(
        probability_column, name, base_config.get_probability(name), key
    )
    same = tuple(moved) == (low, high)
    return {
        name: getattr(base_config, name) if same else (moved[0] / scale, moved[1] / scale),
        f"{name}_probability": probability,
    }


def _get_slider_limits(name: str, base_config: AugmentationConfig) -> tuple[float, float]:
    """Return the ends of a transform's slider."""
    lowest, highest = LIMITS[name]
    usual = DEFAULT_SLIDER_LIMITS.get(name, highest)
    low, high = base_config.get_range(name)
    return (lowest, highest) if max(-low, high) > usual else (max(lowest, -usual), usual)


def _choose_flip(base_config: AugmentationConfig, key: str) -> dict[str, Any]:
    label_column, probability_column = st.columns([1.9, 1], gap="small")
    label_column.html(
        render_html(
            "augmentation/flip_label.html", label="Flip", description=TRANSFORM_HELP["flip"]
        )
    )
    shown = base_config.flip_probability if base_config.flip else 0.0
    probability = _choose_probability(probability_column, "flip", shown, key)
    if probability == shown:
        return {"flip": base_config.flip, "flip_probability": base_config.flip_probability}
    return {
        "flip": probability > 0,
        "flip_probability": probability or base_config.flip_probability,
    }


def _choose_probability(
    column: st.delta_generator.DeltaGenerator, name: str, value: float, key: str
) -> float:
    percent = round(value * 100)
    moved = column.slider(
        "Probability",
        0,
        100,
        percent,
        5,
        format="%d %%",
        key=f"augmentation-{name}-probability-{key}",
        help="How often this transform is applied: its probability.",
    )
    return value if moved == percent else moved / 100


def _get_display_scale(name: str) -> float:
    """Return the factor from a value to the number shown: shares are shown in per cent."""
    return 1.0 if name == "rotation" else 100.0


def format_amount(name: str, value: float) -> str:
    """Return a transform's value with its sign and unit: ``+15°``, ``−10 %``."""
    if name == "flip":
        return "mirrored" if value else "unchanged"
    text = f"{abs(value) * _get_display_scale(name):.3g}"
    sign = "" if name == "noise" or not float(text) else "−" if value < 0 else "+"
    return f"{sign}{text}°" if name == "rotation" else f"{sign}{text}{wording.NARROW_NBSP}%"
