"""What an augmentation costs: measured on fractures that are known, and on a model's answer."""

from __future__ import annotations

import math
from dataclasses import replace
from html import escape

import streamlit as st

from spinefrac.inference import predictor
from spinefrac.records import Preprocessing
from spinefrac.store.repository import SavedModel
from spinefrac.training.augmentation import diagnostics as judgement
from spinefrac.training.augmentation.config import TRANSFORMS, AugmentationConfig
from spinefrac.training.augmentation.diagnostics import Effect, Share, Spread
from spinefrac.ui.augmentation.controls import amount
from spinefrac.ui.augmentation.source import Shown
from spinefrac.ui.common import layout
from spinefrac.ui.common.layout import THIN


def effects(shown: Shown, config: AugmentationConfig) -> tuple[Effect, ...]:
    """Measure at the usual size: all that is measured is a share, and larger takes longer."""
    usual = replace(shown.preprocessing, size=Preprocessing().size)
    return judgement.judge(config, usual)


def warnings(found: tuple[Effect, ...]) -> None:
    """Say which ranges destroy what the label rests on."""
    lines = [
        f"<li><strong>{_where(effect)}</strong>: {escape('; '.join(effect.warnings))}.</li>"
        for effect in found
        if effect.warnings
    ]
    if not lines:
        st.html(
            '<div class="sf-audit ok" role="status"><i class="dot"></i>No range destroys the '
            f"fracture on the {judgement.PATIENTS} synthetic slices that this is measured on.</div>"
        )
        return
    st.html(
        '<section class="sf-card sf-verdict fracture" role="status" aria-label="Warnings">'
        '<div class="sf-eyebrow">Too much: the label may no longer be true</div>'
        f'<ul class="sf-warnings">{"".join(lines)}</ul></section>'
    )


def show(shown: Shown, config: AugmentationConfig, seed: int, found: tuple[Effect, ...]) -> None:
    """Show every measurement, then a model's answer on the slice while it is changed."""
    st.markdown("**What is left of the fracture**")
    if found:
        layout.table(
            ("Transform alone", "Fracture lost", "Contrast left", "Against noise", "Clipped"),
            [_row(effect) for effect in found],
        )
        st.caption(
            f"Mean over {judgement.PATIENTS} synthetic slices whose fracture is known to the "
            "pixel; in brackets the slices with the least and the most. Fracture lost: pixels "
            "that leave the picture. Contrast left: grey difference between the line and the bone "
            "beside it, after against before; “against noise” sets it against how much that bone "
            "varies. Clipped: grey values that become plain black or white. A warning begins at "
            f"more than {100 * judgement.MOST_LOST:.0f}{THIN}% lost, less than "
            f"{100 * judgement.LEAST_CONTRAST:.0f}{THIN}% of the contrast, more than "
            f"{100 * judgement.MOST_CLIPPED:.0f}{THIN}% clipped."
        )
    else:
        st.info("Every transform is off: nothing can be lost.")
    st.markdown("**What it does to a model's answer on this slice**")
    if any(config.is_on(name) for name in TRANSFORMS):
        with layout.errors_shown():
            _model(shown, config, seed)


def _row(effect: Effect) -> tuple[str, ...]:
    warned = " sf-warned" if effect.warnings else ""
    cells = [
        _share(share) for share in (effect.lost, effect.contrast, effect.visibility, effect.clipped)
    ]
    return (f'<span class="sf-nowrap{warned}">{_where(effect)}</span>', *cells)


def _where(effect: Effect) -> str:
    if effect.name == "together":
        return "All together, as drawn"
    return f"{effect.name.capitalize()} {amount(effect.name, effect.value)}"


def _share(share: Share) -> str:
    if math.isnan(share.mean):
        return "not defined"
    least, most = round(100 * share.least), round(100 * share.most)
    return f'{100 * share.mean:.0f}{THIN}% <span class="sf-note">({least} to {most})</span>'


def _model(shown: Shown, config: AugmentationConfig, seed: int) -> None:
    models, _ = layout.listed()
    usable = [model for model in models if isinstance(model, SavedModel)]
    if not usable:
        st.caption("There is no saved model to ask yet.")
        return
    model = st.selectbox(
        "Model", usable, format_func=lambda model: model.id, key="augmentation-model"
    )
    spread = _spread(shown, config, seed, model.id, model.card_hash)
    st.html(_strip(spread))
    st.caption(layout.plain(spread.sentence))


@st.cache_data(max_entries=32, show_spinner="Asking the model…", scope="session")
def _spread(shown: Shown, config: AugmentationConfig, seed: int, model: str, card: str) -> Spread:
    """Ask a model; `card` tells it from another of the same name."""
    return judgement.spread(predictor.open_model(model), shown.ct, config, seed, shown.index)


def _strip(spread: Spread) -> str:
    """Return every draw's probability as a dot on a line from 0 to 100 %."""
    dots = "".join(
        f'<i class="fold" style="left:{100 * p:.1f}%"></i>' for p in spread.probabilities
    )
    tone = "" if spread.invariant else " fracture"
    verdict = "Invariant here" if spread.invariant else "Not invariant here"
    place = 100 * spread.threshold
    return (
        f'<section class="sf-card sf-verdict{tone}" aria-label="Spread of the probability">'
        f'<div class="sf-answer"><span class="label">{verdict}</span>'
        f'<span class="probability">{layout.percent_range(spread.low, spread.high)}</span></div>'
        f'<div class="sf-gauge sf-draws"><span class="track"></span>{dots}'
        f'<i class="threshold" style="left:{place:.1f}%"></i>'
        f'<span class="mark" style="left:{place:.1f}%">threshold</span></div></section>'
    )
