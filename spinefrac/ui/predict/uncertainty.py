"""The part of the answer that says how sure it is: worth, disagreement, band for a human."""

from __future__ import annotations

import math
from html import escape

import streamlit as st

from spinefrac import wording
from spinefrac.evaluation.deferral import Proportion
from spinefrac.inference import uncertainty
from spinefrac.inference.uncertainty import EnsembleDisagreement, UncertaintyProfile
from spinefrac.records import Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import show_errors

_ERROR_RATE_KEY = "acceptable-error-rate"
_DEFAULT_ERROR_RATE = 0.05


def precompute(model: SavedModel) -> None:
    """Call where a page begins: what takes a second is then there when the answer is."""
    uncertainty.precompute_profile(model)


def render_review_note(model: SavedModel, prediction: Prediction) -> str:
    """Return the line for the verdict's card that sends a slice to a human; empty where it stays.

    Nothing for a model that carries no answers to judge by; `show_uncertainty` says why.
    """
    if not model.has_out_of_fold:
        return ""
    found = uncertainty.uncertainty_profile(model, _get_error_rate())
    if not found.needs_review(prediction.probability):
        return ""
    where = (
        "inside the band in which"
        if found.abstention_band
        else "and for no band can it be shown that"
    )
    good = (
        "this model errs too often"
        if found.abstention_band
        else f"at most {100 * found.acceptable_error_rate:g}{wording.NARROW_NBSP}% of its answers are wrong"
    )
    return (
        '<p class="sf-note sf-needs-review"><i class="dot"></i><span><strong>Refer to a human.</strong> '
        f"{wording.format_percent(prediction.probability)} is {where} {good}.</span></p>"
    )


@st.fragment
def show_uncertainty(model: SavedModel, prediction: Prediction) -> None:
    """Show what an answer is worth. A fragment: its settings redraw this and no more."""
    if st.session_state.pop("acceptable-error-rate-changed", False):
        st.rerun()  # the verdict, outside of this fragment, names the band too
    with show_errors(), st.container(key="uncertainty"):
        found = uncertainty.uncertainty_profile(model, _get_error_rate())
        st.html(
            '<div class="sf-card-title">What this answer is worth</div>'
            + _render_predictive_values(found, prediction, _get_prevalence(found))
            + _render_disagreement(uncertainty.ensemble_disagreement(prediction))
            + _render_abstention_band(found, prediction)
        )
        with st.expander("Set how common fractures are, and how many errors are bearable"):
            left, right = st.columns(2, gap="medium")
            left.number_input(
                "Slices with a fracture, %",
                min_value=0.1,
                max_value=99.9,
                value=round(100 * found.observed_prevalence, 1),
                step=1.0,
                format="%.1f",
                key=_get_prevalence_key(found),
                help="Among the slices that you ask about. A fracture that is rare where you "
                "work makes a call of fracture worth less, however good the model.",
            )
            right.segmented_control(
                "Wrong answers outside the band, at most",
                uncertainty.ACCEPTABLE_ERROR_RATES,
                default=_DEFAULT_ERROR_RATE,
                format_func=lambda rate: f"{100 * rate:g} %",
                key=_ERROR_RATE_KEY,
                on_change=_mark_error_rate_changed,
                help="The smaller, the more slices go to a human.",
            )


def _mark_error_rate_changed() -> None:
    st.session_state["acceptable-error-rate-changed"] = True


def _get_error_rate() -> float:
    return float(st.session_state.get(_ERROR_RATE_KEY) or _DEFAULT_ERROR_RATE)


def _get_prevalence_key(profile: UncertaintyProfile) -> str:
    return f"prevalence-{profile.model}"


def _get_prevalence(profile: UncertaintyProfile) -> float:
    shown = st.session_state.get(_get_prevalence_key(profile))
    return profile.observed_prevalence if shown is None else float(shown) / 100


def _render_predictive_values(
    profile: UncertaintyProfile, prediction: Prediction, prevalence: float
) -> str:
    """Return the sentence on the predictive value of this call, and both rates it comes from."""
    values = profile.at_prevalence(prevalence)
    called = prediction.probability >= profile.threshold
    value = values.ppv if called else values.npv
    what = "have one" if called else "have none"
    observed = abs(prevalence - profile.observed_prevalence) < 5e-4
    among = "as in its training data" if observed else "as you set it"
    return (
        f'<div class="sf-metrics">{_render_rate("Sensitivity", profile.sensitivity)}'
        f"{_render_rate('Specificity', profile.specificity)}"
        f"{_render_rate('PPV', values.ppv)}{_render_rate('NPV', values.npv)}</div>"
        f'<p class="sf-note">Of the slices called <strong>{escape(prediction.label)}</strong>, '
        f"{_format_share(value)} {what}, where {wording.format_percent(prevalence)} of the slices show a fracture "
        f"({among}). Measured out-of-fold on {profile.n_slices:,} slices of {profile.n_groups:,} "
        "patients.</p>"
    )


def _render_rate(title: str, share: Proportion) -> str:
    """Return one rate with its value, its interval, and both drawn on a line from 0 to 1."""
    if math.isnan(share.value):
        return f'<div class="sf-metric"><span>{title}</span><span>not defined</span></div>'
    low, high = share.interval or (share.value, share.value)
    span = wording.format_percent_interval((low, high)) if share.interval else "no interval"
    return (
        f'<div class="sf-metric"><span>{title}</span>'
        f'<span class="value">{wording.format_percent(share.value)}</span>'
        f'<span class="sf-interval"><i class="range" style="left:{100 * low:.1f}%;'
        f'width:{100 * (high - low):.1f}%"></i>'
        f'<i class="estimate" style="left:{100 * share.value:.1f}%"></i></span>'
        f'<span class="interval">{span}</span></div>'
    )


def _format_share(share: Proportion) -> str:
    if math.isnan(share.value):
        return "an unknown share"
    span = f" ({wording.format_percent_interval(share.interval)})" if share.interval else ""
    return f"{wording.format_percent(share.value)}{span}"


def _render_disagreement(disagreement: EnsembleDisagreement) -> str:
    if disagreement.n_folds < 2:
        return '<p class="sf-note">A single network answers; there is no second opinion.</p>'
    if disagreement.is_unanimous:
        calls = f"All {disagreement.n_folds} networks call it the same"
    else:
        calls = (
            f"The networks disagree: {disagreement.n_fracture} of {disagreement.n_folds} call it a fracture, "
            f"{disagreement.n_folds - disagreement.n_fracture} do not"
        )
    return (
        f'<p class="sf-note"><strong>{calls}</strong>; '
        f"their answers lie between {wording.format_percent(disagreement.low)} and {wording.format_percent(disagreement.high)}.</p>"
    )


def _render_abstention_band(profile: UncertaintyProfile, prediction: Prediction) -> str:
    """Return the band drawn over 0…100 %, this slice in it or not, and what it promises."""
    band = profile.abstention_band
    if band is None:
        return f'<p class="sf-note"><strong>No band.</strong> {escape(profile.guarantee)}</p>'
    low, high, here = (100 * share for share in (band.low, band.high, prediction.probability))
    verdict = (
        "Refer to a human" if profile.needs_review(prediction.probability) else "Outside the band"
    )
    return (
        '<div class="sf-abstention-band"><div class="track">'
        f'<i class="review" style="left:{low:.1f}%;width:{high - low:.1f}%"></i></div>'
        f'<i class="marker" style="left:{here:.1f}%"></i>'
        f'<span style="left:{low:.1f}%">{wording.format_percent(band.low)}</span>'
        f'<span style="left:{high:.1f}%">{wording.format_percent(band.high)}</span></div>'
        f'<p class="sf-note"><strong>{verdict}.</strong> Between {wording.format_percent(band.low)} and '
        f"{wording.format_percent(band.high)} a human should look: {_format_share(band.abstention_rate)} of the slices. Outside "
        f"of it {_format_share(band.error_rate)} of the out-of-fold answers were wrong.</p>"
        f'<p class="sf-note">{escape(profile.guarantee)}</p>'
    )
