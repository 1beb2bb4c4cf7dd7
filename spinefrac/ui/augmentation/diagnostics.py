"""What an augmentation costs: measured on fractures that are known, and on a model's answer."""

from __future__ import annotations

import math
from dataclasses import replace
from html import escape

import streamlit as st
from markupsafe import Markup

from spinefrac import wording
from spinefrac.inference import predictor
from spinefrac.records import Preprocessing
from spinefrac.store.repository import SavedModel
from spinefrac.training.augmentation import diagnostics as judgement
from spinefrac.training.augmentation.config import TRANSFORMS, AugmentationConfig
from spinefrac.training.augmentation.diagnostics import (
    PredictionSpread,
    ShareSummary,
    TransformEffect,
)
from spinefrac.ui.augmentation.controls import format_amount
from spinefrac.ui.augmentation.source import PreviewSlice
from spinefrac.ui.common import layout


def measure_effects(
    preview_slice: PreviewSlice, config: AugmentationConfig
) -> tuple[TransformEffect, ...]:
    """Measure at the usual size: all that is measured is a share, and larger takes longer."""
    usual = replace(preview_slice.preprocessing, size=Preprocessing().size)
    return judgement.measure_effects(config, usual)


def show_warnings(effects: tuple[TransformEffect, ...]) -> None:
    """Say which ranges destroy what the label rests on."""
    lines = [
        f"<li><strong>{_describe_effect(effect)}</strong>: {escape('; '.join(effect.warnings))}.</li>"
        for effect in effects
        if effect.warnings
    ]
    if not lines:
        st.html(
            '<div class="sf-alert ok" role="status"><i class="dot"></i>No range destroys the '
            f"fracture on the {judgement.PATIENTS} synthetic slices that this is measured on.</div>"
        )
        return
    st.html(
        '<section class="sf-card sf-prediction-card fracture" role="status" aria-label="Warnings">'
        '<div class="sf-card-title">Too much: the label may no longer be true</div>'
        f'<ul class="sf-warnings">{"".join(lines)}</ul></section>'
    )


def show_diagnostics(
    preview_slice: PreviewSlice,
    config: AugmentationConfig,
    seed: int,
    effects: tuple[TransformEffect, ...],
) -> None:
    """Show every measurement, then a model's answer on the slice while it is changed."""
    st.markdown("**What is left of the fracture**")
    if effects:
        layout.show_table(
            ("Transform alone", "Fracture lost", "Contrast left", "Against noise", "Clipped"),
            [_render_effect_row(effect) for effect in effects],
        )
        st.caption(
            f"Mean over {judgement.PATIENTS} synthetic slices whose fracture is known to the "
            "pixel; in brackets the slices with the least and the most. Fracture lost: pixels "
            "that leave the picture. Contrast left: grey difference between the line and the bone "
            "beside it, after against before; “against noise” sets it against how much that bone "
            "varies. Clipped: grey values that become plain black or white. A warning begins at "
            f"more than {100 * judgement.MAX_LOST_SHARE:.0f}{wording.NARROW_NBSP}% lost, less than "
            f"{100 * judgement.MIN_CONTRAST:.0f}{wording.NARROW_NBSP}% of the contrast, more than "
            f"{100 * judgement.MAX_CLIPPED_SHARE:.0f}{wording.NARROW_NBSP}% clipped."
        )
    else:
        st.info("Every transform is off: nothing can be lost.")
    st.markdown("**What it does to a model's answer on this slice**")
    if any(config.is_enabled(name) for name in TRANSFORMS):
        with layout.show_errors():
            _show_prediction_spread(preview_slice, config, seed)


def _render_effect_row(effect: TransformEffect) -> tuple[str, ...]:
    warned = " sf-warning-text" if effect.warnings else ""
    cells = [
        _format_share(share)
        for share in (effect.lost_share, effect.contrast, effect.visibility, effect.clipped_share)
    ]
    return (Markup(f'<span class="sf-nowrap{warned}">{_describe_effect(effect)}</span>'), *cells)


def _describe_effect(effect: TransformEffect) -> str:
    if effect.name == "together":
        return "All together, as drawn"
    return f"{effect.name.capitalize()} {format_amount(effect.name, effect.value)}"


def _format_share(share: ShareSummary) -> str:
    if math.isnan(share.mean):
        return "not defined"
    least, most = round(100 * share.minimum), round(100 * share.maximum)
    return Markup(
        f'{100 * share.mean:.0f}{wording.NARROW_NBSP}% <span class="sf-note">({least} to {most})</span>'
    )


def _show_prediction_spread(
    preview_slice: PreviewSlice, config: AugmentationConfig, seed: int
) -> None:
    models, _ = layout.list_active_models()
    usable = [model for model in models if isinstance(model, SavedModel)]
    if not usable:
        st.caption("There is no saved model to ask yet.")
        return
    model = st.selectbox(
        "Model", usable, format_func=lambda model: model.id, key="augmentation-model"
    )
    spread = _measure_spread(preview_slice, config, seed, model.id, model.card_hash)
    st.html(_render_spread(spread))
    st.caption(layout.escape_markdown(spread.sentence))


@st.cache_data(max_entries=32, show_spinner="Asking the model…", scope="session")
def _measure_spread(
    preview_slice: PreviewSlice,
    config: AugmentationConfig,
    seed: int,
    model_id: str,
    card_hash: str,
) -> PredictionSpread:
    """Ask a model; `card_hash` tells it from another of the same name."""
    return judgement.measure_prediction_spread(
        predictor.get_predictor(model_id), preview_slice.ct, config, seed, preview_slice.index
    )


def _render_spread(spread: PredictionSpread) -> str:
    """Return every draw's probability as a dot on a line from 0 to 100 %."""
    dots = "".join(
        f'<i class="network" style="left:{100 * p:.1f}%"></i>' for p in spread.probabilities
    )
    tone = "" if spread.is_invariant else " fracture"
    verdict = "Invariant here" if spread.is_invariant else "Not invariant here"
    place = 100 * spread.threshold
    return (
        f'<section class="sf-card sf-prediction-card{tone}" aria-label="Spread of the probability">'
        f'<div class="sf-prediction"><span class="label">{verdict}</span>'
        f'<span class="probability">{wording.format_percent_interval((spread.percentile_5, spread.percentile_95))}</span></div>'
        f'<div class="sf-probability-bar sf-spread"><span class="track"></span>{dots}'
        f'<i class="threshold" style="left:{place:.1f}%"></i>'
        f'<span class="threshold-label" style="left:{place:.1f}%">threshold</span></div></section>'
    )
