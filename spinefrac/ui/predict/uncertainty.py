"""The part of the answer that says how sure it is: worth, disagreement, band for a human."""

from __future__ import annotations

import math
from html import escape

import streamlit as st

from spinefrac.evaluation.deferral import Share
from spinefrac.inference import uncertainty
from spinefrac.inference.uncertainty import Disagreement, Doubt
from spinefrac.records import Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import THIN, errors_shown, percent, percent_range

_RATE_KEY = "refer-rate"
_DEFAULT_RATE = 0.05


def prepare(model: SavedModel) -> None:
    """Call where a page begins: what takes a second is then there when the answer is."""
    uncertainty.prepare(model)


def refer_note(model: SavedModel, prediction: Prediction) -> str:
    """Return the line for the verdict's card that sends a slice to a human; empty where it stays.

    Nothing for a model that carries no answers to judge by; `show` says why.
    """
    if not getattr(model, "measured", True):
        return ""
    found = uncertainty.of(model, _rate())
    if not found.refers(prediction.probability):
        return ""
    where = "inside the band in which" if found.band else "and for no band can it be shown that"
    good = (
        "this model errs too often"
        if found.band
        else f"at most {100 * found.rate:g}{THIN}% of its answers are wrong"
    )
    return (
        '<p class="sf-note sf-refer"><i class="dot"></i><span><strong>Refer to a human.</strong> '
        f"{percent(prediction.probability)} is {where} {good}.</span></p>"
    )


@st.fragment
def show(model: SavedModel, prediction: Prediction) -> None:
    """Show what an answer is worth. A fragment: its settings redraw this and no more."""
    if st.session_state.pop("refer-changed", False):
        st.rerun()  # the verdict, outside of this fragment, names the band too
    with errors_shown(), st.container(key="doubt"):
        found = uncertainty.of(model, _rate())
        st.html(
            '<div class="sf-eyebrow">What this answer is worth</div>'
            + _worth(found, prediction, _prevalence(found))
            + _networks(uncertainty.disagreement(prediction))
            + _band(found, prediction)
        )
        with st.expander("Set how common fractures are, and how many errors are bearable"):
            left, right = st.columns(2, gap="medium")
            left.number_input(
                "Slices with a fracture, %",
                min_value=0.1,
                max_value=99.9,
                value=round(100 * found.observed, 1),
                step=1.0,
                format="%.1f",
                key=_prevalence_key(found),
                help="Among the slices that you ask about. A fracture that is rare where you "
                "work makes a call of fracture worth less, however good the model.",
            )
            right.segmented_control(
                "Wrong answers outside the band, at most",
                uncertainty.RATES,
                default=_DEFAULT_RATE,
                format_func=lambda rate: f"{100 * rate:g} %",
                key=_RATE_KEY,
                on_change=_remember_change,
                help="The smaller, the more slices go to a human.",
            )


def _remember_change() -> None:
    st.session_state["refer-changed"] = True


def _rate() -> float:
    return float(st.session_state.get(_RATE_KEY) or _DEFAULT_RATE)


def _prevalence_key(found: Doubt) -> str:
    return f"prevalence-{found.model}"


def _prevalence(found: Doubt) -> float:
    shown = st.session_state.get(_prevalence_key(found))
    return found.observed if shown is None else float(shown) / 100


def _worth(found: Doubt, prediction: Prediction, prevalence: float) -> str:
    """Return the sentence on the predictive value of this call, and both rates it comes from."""
    values = found.at_prevalence(prevalence)
    called = prediction.probability >= found.threshold
    value = values.positive if called else values.negative
    what = "have one" if called else "have none"
    observed = abs(prevalence - found.observed) < 5e-4
    among = "as in its training data" if observed else "as you set it"
    return (
        f'<div class="sf-rates">{_line("Sensitivity", found.sensitivity)}'
        f"{_line('Specificity', found.specificity)}"
        f"{_line('PPV', values.positive)}{_line('NPV', values.negative)}</div>"
        f'<p class="sf-note">Of the slices called <strong>{escape(prediction.label)}</strong>, '
        f"{_share(value)} {what}, where {percent(prevalence)} of the slices show a fracture "
        f"({among}). Measured out-of-fold on {found.slices:,} slices of {found.groups:,} "
        "patients.</p>"
    )


def _line(title: str, share: Share) -> str:
    """Return one rate with its value, its interval, and both drawn on a line from 0 to 1."""
    if math.isnan(share.value):
        return f'<div class="sf-rate"><span>{title}</span><span>not defined</span></div>'
    low, high = share.interval or (share.value, share.value)
    span = percent_range(low, high) if share.interval else "no interval"
    return (
        f'<div class="sf-rate"><span>{title}</span>'
        f'<span class="value">{percent(share.value)}</span>'
        f'<span class="sf-range"><i class="span" style="left:{100 * low:.1f}%;'
        f'width:{100 * (high - low):.1f}%"></i>'
        f'<i class="point" style="left:{100 * share.value:.1f}%"></i></span>'
        f'<span class="interval">{span}</span></div>'
    )


def _share(share: Share) -> str:
    if math.isnan(share.value):
        return "an unknown share"
    span = f" ({percent_range(*share.interval)})" if share.interval else ""
    return f"{percent(share.value)}{span}"


def _networks(found: Disagreement) -> str:
    if found.folds < 2:
        return '<p class="sf-note">A single network answers; there is no second opinion.</p>'
    if found.united:
        calls = f"All {found.folds} networks call it the same"
    else:
        calls = (
            f"The networks disagree: {found.fracture} of {found.folds} call it a fracture, "
            f"{found.folds - found.fracture} do not"
        )
    return (
        f'<p class="sf-note"><strong>{calls}</strong>; '
        f"their answers lie between {percent(found.low)} and {percent(found.high)}.</p>"
    )


def _band(found: Doubt, prediction: Prediction) -> str:
    """Return the band drawn over 0…100 %, this slice in it or not, and what it promises."""
    band = found.band
    if band is None:
        return f'<p class="sf-note"><strong>No band.</strong> {escape(found.guarantee)}</p>'
    low, high, here = (100 * share for share in (band.low, band.high, prediction.probability))
    verdict = "Refer to a human" if found.refers(prediction.probability) else "Outside the band"
    return (
        '<div class="sf-band"><div class="track">'
        f'<i class="zone" style="left:{low:.1f}%;width:{high - low:.1f}%"></i></div>'
        f'<i class="here" style="left:{here:.1f}%"></i>'
        f'<span style="left:{low:.1f}%">{percent(band.low)}</span>'
        f'<span style="left:{high:.1f}%">{percent(band.high)}</span></div>'
        f'<p class="sf-note"><strong>{verdict}.</strong> Between {percent(band.low)} and '
        f"{percent(band.high)} a human should look: {_share(band.referred)} of the slices. Outside "
        f"of it {_share(band.error)} of the out-of-fold answers were wrong.</p>"
        f'<p class="sf-note">{escape(found.guarantee)}</p>'
    )
