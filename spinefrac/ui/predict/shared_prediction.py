"""A saved prediction by link: share one's own, and show one that somebody shared."""

from __future__ import annotations

import streamlit as st

from spinefrac import wording
from spinefrac.access import users
from spinefrac.access.policy import Action
from spinefrac.errors import HistoryError
from spinefrac.inference import history
from spinefrac.inference.history import HistoryEntry
from spinefrac.ui.common import layout, share, visitor

#: Names the token of a shared prediction in an address.
PARAMETER = "shared"


def show_share_button(entry_id: int) -> None:
    """Offer the link to a saved prediction."""
    if visitor.button(
        Action.SHARE, "Share", icon=":material/share:", key=f"share-prediction-{entry_id}"
    ):
        _show_dialog(entry_id)


@st.dialog("Share")
def _show_dialog(entry_id: int) -> None:
    with layout.show_errors():
        entry = history.get_entry(entry_id)
        visitor.require(Action.SEE_PREDICTION, owner=entry.owner)
        with visitor.act(Action.SHARE, f"prediction {entry_id}") as identity:
            token = users.share_prediction(entry_id, identity)
        st.markdown(
            "The link shows this prediction, with its note, to everybody of the team for "
            f"{users.LIFETIMES[users.Kind.SHARED].days} days, after a sign-in."
            + ("" if entry.has_picture else " Images are not saved on this server, so it has none.")
        )
        share.show_link(share.make_link("predict", {PARAMETER: token}))


def show_shared() -> None:
    """Show the prediction that the address names, above the page."""
    token = st.query_params.get(PARAMETER)
    if not token:
        return
    with layout.show_errors(), st.container(border=True, key="shared-prediction"):
        visitor.require(Action.SEE_SHARED_PREDICTION)
        entry_id = users.find_shared_prediction(token)
        if entry_id is None:
            raise HistoryError("this link has ended: ask the person who gave it to you for another")
        _show_entry(history.get_entry(entry_id))
        if st.button("Close", key="shared-close"):
            del st.query_params[PARAMETER]
            st.rerun()


def _show_entry(entry: HistoryEntry) -> None:
    st.header("A shared prediction", anchor=False)
    facts, picture = st.columns([1.4, 1])
    rows = [
        ("Prediction", f"{entry.label}, probability {wording.format_percent(entry.probability)}"),
        ("Threshold", wording.format_percent(entry.threshold)),
        ("Model", entry.model),
        ("Date", entry.last_at[:16].replace("T", " ")),
        ("Feedback", entry.verdict or "–"),
    ]
    if entry.typical is False:
        rows.append(("Input check", wording.to_sentence(entry.reason)))
    if entry.owner:
        rows.append(("Shared by", entry.owner))
    if entry.note:
        rows.append(("Note", entry.note))
    with facts:
        layout.show_table(("", ""), rows)
    if content := history.read_image(entry.id):
        picture.image(content, caption="As displayed; the model's input was the original.")
