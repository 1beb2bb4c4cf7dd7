"""How far work in another process is, on the page that shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from spinefrac import wording
from spinefrac.system.background import WorkProgress
from spinefrac.ui.common import visitor


@visitor.fragment(run_every=1.0)
def show_until_done(
    read: Callable[[], WorkProgress | None],
    describe: Callable[[WorkProgress], str],
    show_button: Callable[[Any], None] | None = None,
) -> None:
    """Show the progress of work while it runs; draw the page anew once it has ended.

    Parameters
    ----------
    read : callable
        Returns how far it is.
    describe : callable
        Returns what that means, for the bar.
    show_button : callable, optional
        Draws a button beside the bar, in the column that it is called with.
    """
    progress = read()
    if progress is None or not progress.running:
        st.rerun()
    text = describe(progress)
    if (left := progress.seconds_left) is not None:
        text += f" About {wording.format_duration(max(1.0, left))} left."
    if show_button is None:
        st.progress(progress.share, text)
        return
    bar, button = st.columns([4, 1], gap="medium", vertical_alignment="center")
    bar.progress(progress.share, text)
    show_button(button)
