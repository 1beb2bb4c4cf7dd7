"""Reliability of a prediction: predictive values, disagreement of the networks, abstention."""

from __future__ import annotations

import math

import streamlit as st
from markupsafe import Markup

from spinefrac import wording
from spinefrac.evaluation.deferral import DEFAULT_ACCEPTABLE_ERROR_RATE, Proportion
from spinefrac.inference import uncertainty
from spinefrac.inference.uncertainty import UncertaintyProfile
from spinefrac.records import Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import visitor
from spinefrac.ui.common.layout import show_errors
from spinefrac.ui.common.metric_tables import MetricRow, build_metric_row
from spinefrac.ui.common.templates import render_html

_ERROR_RATE_KEY = "acceptable-error-rate"
#: Set when the rate was changed, until the whole page has been drawn anew.
_ERROR_RATE_CHANGED_KEY = "acceptable-error-rate-changed"


def precompute(model: SavedModel) -> None:
    """Start to compute what takes a second; call where a page begins."""
    uncertainty.precompute_profile(model)


def render_review_note(model: SavedModel, prediction: Prediction) -> Markup:
    """Return the line of the prediction card that asks for review by a reader.

    Empty where the prediction is outside the abstention band, and for a model without
    out-of-fold predictions: `show_uncertainty` explains that.
    """
    if not model.has_slice_predictions:
        return Markup()
    check = prediction.input_check
    profile = uncertainty.uncertainty_profile(model, _get_error_rate())
    if not profile.needs_review(prediction.probability, check):
        return Markup()
    return render_html(
        "predict/review_note.html",
        probability=prediction.probability,
        is_unusual=check is not None and not check.typical,
        has_band=profile.abstention_band is not None,
        error_rate=profile.acceptable_error_rate,
    )


@visitor.fragment
def show_uncertainty(model: SavedModel, prediction: Prediction) -> None:
    """Show how reliable a prediction is. A fragment: its settings redraw only this part."""
    if st.session_state.pop(_ERROR_RATE_CHANGED_KEY, False):
        st.rerun()  # the prediction card, outside of this fragment, names the band too
    with show_errors(), st.container(key="uncertainty"):
        if model.is_of_scans:
            st.caption(
                "This model was evaluated by scan: how often it is right on a single slice is not "
                "known. Its answer is the score of a whole series."
            )
            return
        profile = uncertainty.uncertainty_profile(model, _get_error_rate())
        if prediction.input_check is not None and not prediction.input_check.typical:
            st.html(_render_without_rates(prediction))
            return
        st.html(_render_uncertainty(profile, prediction, _get_prevalence(profile)))
        with st.expander("Set prevalence and acceptable error rate"):
            _choose_assumptions(profile)


def _choose_assumptions(profile: UncertaintyProfile) -> None:
    """Show the widgets for the prevalence and the acceptable error rate."""
    left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    left.number_input(
        "Prevalence: slices with a fracture (%)",
        min_value=0.1,
        max_value=99.9,
        value=round(100 * profile.observed_prevalence, 1),
        step=1.0,
        format="%.1f",
        key=_get_prevalence_key(profile),
        help="Share of slices with a fracture where you use the model. At low prevalence the PPV "
        "is low, even for a good model.",
    )
    right.segmented_control(
        "Acceptable error rate outside the abstention band",
        uncertainty.ACCEPTABLE_ERROR_RATES,
        default=DEFAULT_ACCEPTABLE_ERROR_RATE,
        format_func=lambda rate: f"{100 * rate:g} %",
        key=_ERROR_RATE_KEY,
        on_change=_mark_error_rate_changed,
        help="A lower rate means that more slices need review.",
    )


def _mark_error_rate_changed() -> None:
    st.session_state[_ERROR_RATE_CHANGED_KEY] = True


def _get_error_rate() -> float:
    return float(st.session_state.get(_ERROR_RATE_KEY) or DEFAULT_ACCEPTABLE_ERROR_RATE)


def _get_prevalence_key(profile: UncertaintyProfile) -> str:
    return f"prevalence-{profile.model}"


def _get_prevalence(profile: UncertaintyProfile) -> float:
    percent = st.session_state.get(_get_prevalence_key(profile))
    return profile.observed_prevalence if percent is None else float(percent) / 100


def _render_uncertainty(
    profile: UncertaintyProfile, prediction: Prediction, prevalence: float
) -> Markup:
    values = profile.at_prevalence(prevalence)
    is_positive = prediction.probability >= profile.threshold
    return render_html(
        "predict/uncertainty.html",
        profile=profile,
        prediction=prediction,
        prevalence=prevalence,
        is_observed=abs(prevalence - profile.observed_prevalence) < 5e-4,
        predictive_value=values.ppv if is_positive else values.npv,
        is_positive=is_positive,
        disagreement=uncertainty.ensemble_disagreement(prediction),
        band=profile.abstention_band,
        needs_review=profile.needs_review(prediction.probability),
        rows=[
            _build_row("recall", profile.sensitivity),
            _build_row("specificity", profile.specificity),
            _build_row("precision", values.ppv),
            _build_row("npv", values.npv),
        ],
        format_proportion=_format_proportion,
    )


def _render_without_rates(prediction: Prediction) -> Markup:
    """Return what is known of a slice that no measured rate holds for."""
    return render_html(
        "predict/no_rates.html",
        text=wording.RATES_DO_NOT_HOLD,
        disagreement=uncertainty.ensemble_disagreement(prediction),
    )


def _build_row(metric: str, proportion: Proportion) -> MetricRow:
    value = None if math.isnan(proportion.value) else proportion.value
    titles = wording.NPV if metric == "npv" else wording.METRICS[metric]
    return build_metric_row(titles, value, proportion.interval)


def _format_proportion(proportion: Proportion) -> str:
    if math.isnan(proportion.value):
        return "an unknown share"
    return wording.format_percent_estimate(proportion.value, proportion.interval)
