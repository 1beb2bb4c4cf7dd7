"""The log of actions: chosen by person, action and day, shown and downloaded."""

from __future__ import annotations

from datetime import date

import streamlit as st

from spinefrac import wording
from spinefrac.access import audit_log
from spinefrac.access.audit_log import LogFilter
from spinefrac.access.policy import Action
from spinefrac.ui.common import layout, visitor

#: Lines that are shown; a download has all.
MAX_SHOWN = 200
COLUMN_TITLES = ("Time (UTC)", "Who", "Role", "Action", "What")


def show_log() -> None:
    """Show the log; it holds no patient data and no names of files."""
    wanted = _choose_filter()
    entries = audit_log.list_entries(MAX_SHOWN, wanted)
    count = audit_log.count_entries(wanted)
    with st.container(horizontal=True, vertical_alignment="center"):
        text = wording.format_count(count, "line")
        if count > len(entries):
            text += f"; the newest {len(entries)} are shown"
        st.markdown(text, width="stretch")
        _offer_download(wanted, is_empty=not entries)
    if not entries:
        st.info("Nothing that matches is logged.", icon=":material/search_off:")
        return
    layout.show_table(
        COLUMN_TITLES,
        [
            (entry.at[:19].replace("T", " "), entry.who, entry.role, entry.action,
             entry.subject or "–")
            for entry in entries
        ],
    )  # fmt: skip


def _choose_filter() -> LogFilter:
    people, actions = audit_log.list_people_and_actions()
    who_column, action_column, days_column = st.columns(3)
    who = who_column.selectbox("Who", people, index=None, placeholder="Anybody", key="log-who")
    action = action_column.selectbox(
        "Action", actions, index=None, placeholder="Any action", key="log-action"
    )
    days: tuple[date, ...] = days_column.date_input(
        "Days", [], key="log-days", format="YYYY-MM-DD", help="From and to, both included; UTC."
    )
    return LogFilter(
        who=who or "",
        action=action or "",
        first=days[0] if days else None,
        last=days[1] if len(days) > 1 else None,
    )


def _offer_download(wanted: LogFilter, *, is_empty: bool) -> None:
    """Offer all lines of the choice; each file is made when it is asked for."""
    for name, to_text, mime in (
        ("CSV", audit_log.to_csv, "text/csv"),
        ("JSON", audit_log.to_json, "application/json"),
    ):
        visitor.button(
            Action.SEE_AUDIT_LOG,
            f"Download {name}",
            widget=st.download_button,
            data=lambda to_text=to_text: to_text(audit_log.list_entries(None, wanted)),
            file_name=f"activity.{name.lower()}",
            mime=mime,
            icon=":material/download:",
            on_click="ignore",
            key=f"log-{name.lower()}",
            disabled=is_empty,
        )
