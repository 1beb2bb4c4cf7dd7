"""Work that another process does is shown until it has ended."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def script() -> None:
    import streamlit as st

    from spinefrac.system.background import WorkProgress
    from spinefrac.ui.common import background_work

    done = st.session_state.setdefault("done", 3)
    st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
    progress = WorkProgress(running=done < 12, done=done, total=12)
    if done < 12 or st.session_state["drawn"] == 1:
        background_work.show_until_done(
            lambda: progress,
            lambda now: f"{now.done} of {now.total}",
            (lambda column: column.button("Cancel")) if st.session_state.get("button") else None,
        )


def test_the_share_that_is_done_is_shown() -> None:
    app = AppTest.from_function(script).run()
    (bar,) = app.get("progress")
    assert (bar.proto.value, bar.proto.text) == (25, "3 of 12")
    assert not app.button


def test_a_button_stands_beside_the_bar() -> None:
    app = AppTest.from_function(script)
    app.session_state["button"] = True
    app.run()
    assert [button.label for button in app.columns[1].button] == ["Cancel"]
    assert app.columns[0].get("progress")


def test_the_page_is_drawn_anew_once_it_has_ended() -> None:
    app = AppTest.from_function(script)
    app.session_state["done"] = 12
    app.run()
    assert app.session_state["drawn"] == 2 and not app.get("progress")
