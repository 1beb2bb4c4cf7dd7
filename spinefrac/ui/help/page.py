"""Help: the chapters of the documentation, from the disk and without a network connection."""

from __future__ import annotations

import streamlit as st

from spinefrac.ui.common import layout
from spinefrac.ui.help import chapters
from spinefrac.ui.help.chapters import Picture


def render() -> None:
    """Draw the page."""
    layout.show_heading("Help", "How to use spinefrac, and what its numbers mean.")
    with layout.show_errors():
        folder = chapters.find_folder()
        found = chapters.list_chapters(folder)
        title = st.selectbox(
            "Chapter",
            [chapter.title for chapter in found],
            key=chapters.PARAMETER,
            bind="query-params",
            help="Type to search.",
        )
        chosen = next(chapter for chapter in found if chapter.title == title)
        for part in chapters.read_parts(folder, chosen, found):
            if isinstance(part, Picture):
                st.image(part.file, alt=part.text, width="stretch")
            else:
                st.markdown(part)
