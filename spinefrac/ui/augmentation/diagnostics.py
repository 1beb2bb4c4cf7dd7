"""Effects of an augmentation: on fractures whose pixels are known, and on a prediction."""

from __future__ import annotations

import math
from dataclasses import replace

import streamlit as st
from markupsafe import Markup

from spinefrac import wording
from spinefrac.inference import predictor
from spinefrac.records import Preprocessing
from spinefrac.store.repository import SavedModel
from spinefrac.training.augmentation import diagnostics
from spinefrac.training.augmentation.config import TRANSFORMS, AugmentationConfig
from spinefrac.training.augmentation.diagnostics import (
    PredictionSpread,
    ShareSummary,
    TransformEffect,
)
from spinefrac.ui.augmentation.controls import format_amount
from spinefrac.ui.augmentation.source import PreviewSlice
from spinefrac.ui.common import layout
from spinefrac.ui.common.templates import render_html
from spinefrac.wording import format_percent

_EFFECT_TITLES = (
    "Transform (alone)",
    "Fracture lost",
    "Contrast kept",
    "Contrast-to-noise kept",
    "Clipped",
)


def measure_effects(
    preview_slice: PreviewSlice, config: AugmentationConfig
) -> tuple[TransformEffect, ...]:
    """Return the effects at the usual image size: they are shares, and larger takes longer."""
    preprocessing = replace(preview_slice.preprocessing, size=Preprocessing().size)
    return diagnostics.measure_effects(config, preprocessing)


def show_warnings(effects: tuple[TransformEffect, ...]) -> None:
    """Show which transforms remove the fracture, so that the label is no longer correct."""
    warnings = [
        {"effect": _describe_effect(effect), "text": "; ".join(effect.warnings)}
        for effect in effects
        if effect.warnings
    ]
    if warnings:
        st.html(render_html("augmentation/warnings.html", warnings=warnings))
        return
    layout.show_alert(
        f"No transform removes the fracture on the {diagnostics.PATIENTS} synthetic test slices.",
        "ok",
        role="status",
    )


def show_diagnostics(
    preview_slice: PreviewSlice,
    config: AugmentationConfig,
    seed: int,
    effects: tuple[TransformEffect, ...],
) -> None:
    """Show the effects on the fracture, then on the prediction of a model for this slice."""
    st.markdown("**Effect on the fracture**")
    if effects:
        layout.show_table(_EFFECT_TITLES, [_build_effect_row(effect) for effect in effects])
        st.caption(_explain_effects())
    else:
        st.info("All transforms are off.")
    st.markdown("**Effect on the prediction for this slice**")
    if any(config.is_enabled(name) for name in TRANSFORMS):
        with layout.show_errors():
            _show_prediction_spread(preview_slice, config, seed)


def _explain_effects() -> str:
    return (
        f"Mean over {diagnostics.PATIENTS} synthetic slices with known fracture pixels (minimum to "
        "maximum). Fracture lost: share of its pixels outside the image. Contrast kept: grey "
        "difference between fracture line and bone, after / before. Contrast-to-noise kept: the "
        "same, divided by the variation of the bone. Clipped: share of grey values that become "
        f"black or white. Warning above {format_percent(diagnostics.MAX_LOST_SHARE)} lost, below "
        f"{format_percent(diagnostics.MIN_CONTRAST)} contrast, above "
        f"{format_percent(diagnostics.MAX_CLIPPED_SHARE)} clipped."
    )


def _build_effect_row(effect: TransformEffect) -> tuple[Markup, ...]:
    title = render_html(
        "augmentation/effect_title.html",
        text=_describe_effect(effect),
        has_warnings=bool(effect.warnings),
    )
    shares = (effect.lost_share, effect.contrast, effect.visibility, effect.clipped_share)
    return (title, *(_render_share(share) for share in shares))


def _describe_effect(effect: TransformEffect) -> str:
    if effect.name == "together":
        return "All transforms together"
    return f"{effect.name.capitalize()} {format_amount(effect.name, effect.value)}"


def _render_share(share: ShareSummary) -> Markup:
    """Return a mean share with the least and the most of the slices, in per cent."""
    return render_html(
        "augmentation/share.html", share=share, is_defined=not math.isnan(share.mean)
    )


def _show_prediction_spread(
    preview_slice: PreviewSlice, config: AugmentationConfig, seed: int
) -> None:
    """Let the user choose a model, and show the probabilities of the augmented copies."""
    models, _ = layout.list_active_models()
    usable = [model for model in models if isinstance(model, SavedModel)]
    if not usable:
        st.caption("There is no saved model yet.")
        return
    model = st.selectbox(
        "Model", usable, format_func=lambda model: model.id, key="augmentation-model"
    )
    spread = _measure_spread(preview_slice, config, seed, model.id, model.card_hash)
    st.html(_render_spread(spread))
    st.caption(layout.escape_markdown(spread.sentence))


@st.cache_data(max_entries=32, show_spinner="Predicting…", scope="session")
def _measure_spread(
    preview_slice: PreviewSlice,
    config: AugmentationConfig,
    seed: int,
    model_id: str,
    card_hash: str,
) -> PredictionSpread:
    """Return the probabilities of augmented copies, cached also by the model's card."""
    return diagnostics.measure_prediction_spread(
        predictor.get_predictor(model_id), preview_slice.ct, config, seed, preview_slice.index
    )


def _render_spread(spread: PredictionSpread) -> Markup:
    """Return the card with each copy's probability as a dot on a line from 0 to 100 %."""
    return render_html(
        "augmentation/prediction_spread.html",
        spread=spread,
        interval=wording.format_percent_interval((spread.percentile_5, spread.percentile_95)),
    )
