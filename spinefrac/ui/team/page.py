"""Team: who may use the server and who did what, for admins."""

from __future__ import annotations

import streamlit as st

from spinefrac.access.policy import Action
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.team import activity, people

PEOPLE_VIEW, ACTIVITY_VIEW = "People", "Activity"


def render() -> None:
    """Draw the page."""
    layout.show_heading("Team", "Who may use this server, and who did what.")
    with layout.show_errors():
        view = st.segmented_control(
            "View",
            (PEOPLE_VIEW, ACTIVITY_VIEW),
            default=PEOPLE_VIEW,
            required=True,
            key="team",
            bind="query-params",
            label_visibility="collapsed",
        )
        if view == ACTIVITY_VIEW:
            if visitor.may(Action.SEE_AUDIT_LOG):
                activity.show_log()
        elif visitor.may(Action.MANAGE_USERS):
            people.show_people()
