"""What the pages share: heading, model picker, errors, numbers as people read them."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from spinefrac import wording
from spinefrac.errors import SpinefracError
from spinefrac.records import NOT_A_MEDICAL_DEVICE
from spinefrac.store import repository
from spinefrac.store.repository import DamagedModel, SavedModel
from spinefrac.ui.common.templates import render_html

log = logging.getLogger("spinefrac.pages")


def show_heading(title: str, description: str) -> None:
    """Begin a page: the style sheet, the title, what the page is for, the disclaimer."""
    st.html(Path(__file__).with_name("style.css"))
    st.html(
        render_html(
            "common/heading.html",
            title=title,
            description=description,
            disclaimer=NOT_A_MEDICAL_DEVICE,
        )
    )


def show_commands(*lines: str) -> None:
    """Show commands to copy."""
    st.code("\n".join(lines), language="bash", wrap_lines=True)


@contextmanager
def show_errors() -> Iterator[None]:
    """Show what goes wrong inside as one line; the page goes on after it.

    An error nobody foresaw is logged with where it happened but without its message, which
    could name a patient's file.
    """
    try:
        yield
    except SpinefracError as error:
        st.error(escape_markdown(wording.to_sentence(str(error))), icon=":material/error:")
    except Exception as error:  # noqa: BLE001 - the page must not end in a stack trace
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("unexpected %s\n%s", type(error).__name__, where)
        st.error(
            "Something unexpected went wrong; the server's log says where. Try another file.",
            icon=":material/error:",
        )


def escape_markdown(text: str) -> str:
    """Return `text` as Markdown that shows it letter by letter."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def show_table(column_titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show a table.

    Parameters
    ----------
    column_titles : sequence of str
        All empty for a table without a header.
    rows : sequence of sequences of str
        Cells are escaped unless they are `Markup`; the last cell of a short row is stretched.
    """
    st.html(render_html("common/table.html", titles=column_titles, rows=rows))


def show_note(text: str) -> None:
    """Show a small line of explanation."""
    st.html(render_html("common/note.html", text=text))


def show_alert(text: str, tone: str = "", *, title: str = "", role: str = "") -> None:
    """Show a line with a coloured dot.

    Parameters
    ----------
    text : str
        Escaped unless it is `Markup`.
    tone : {"", "ok", "bad", "open"}
    title : str
        Set in bold before the text.
    role : str
        ARIA role, for example ``status``.
    """
    st.html(render_html("common/alert.html", text=text, tone=tone, title=title, role=role))


def show_no_model() -> None:
    """Say that there is no saved model and how to make one."""
    st.info(
        "There is no saved model yet. These two commands make one from synthetic slices; "
        "then reload this page.",
        icon=":material/info:",
    )
    show_commands(
        "spinefrac phantom my-slices --patients 60 --slices 12",
        "spinefrac train my-slices --name my-model --folds 5 --epochs 25",
    )


def begin_model_page(title: str, description: str) -> SavedModel | None:
    """Begin a page about one saved model: heading on the left, the choice on the right.

    Returns
    -------
    SavedModel or None
        None if there is none or the chosen one is damaged; the page then says so and why.
    """
    left, right = st.columns([2, 1], gap="medium", vertical_alignment="bottom")
    with left:
        show_heading(title, description)
    models, _ = list_active_models()
    _explain_missing_model(models)
    if not models:
        show_no_model()
        return None
    chosen = right.selectbox(
        "Model",
        models,
        format_func=_format_model_option,
        key="model",
        on_change=lambda: st.session_state.pop("missing-model-message", None),
    )
    st.session_state["previous-model"] = chosen.id
    if isinstance(chosen, DamagedModel):
        st.error(escape_markdown(wording.to_sentence(chosen.reason)), icon=":material/error:")
        return None
    return chosen


def _explain_missing_model(models: Sequence[SavedModel | DamagedModel]) -> None:
    """Say it where the model that this session used is not to be had any more.

    The choice then falls back to another model, and nobody should take that for the old one: it
    is said until a model is chosen.
    """
    before = st.session_state.get("previous-model")
    if before is not None and before not in [model.id for model in models]:
        archived = (repository.settings.models_dir() / before).is_dir()
        said = (
            f"The model {before} was archived" if archived else repository.explain_missing(before)
        )
        st.session_state["missing-model-message"] = (
            f"{wording.to_sentence(said)} Another model is chosen now."
        )
    if "missing-model-message" in st.session_state:
        st.warning(
            escape_markdown(st.session_state["missing-model-message"]), icon=":material/warning:"
        )


def get_user_name() -> str:
    """Return who uses the app, where they are signed in; else an empty text."""
    user = st.user
    return str(user.get("name") or user.get("email") or "") if user.get("is_logged_in") else ""


def list_active_models() -> tuple[list[SavedModel | DamagedModel], str]:
    """Return the saved models that are not archived, the default first, and the default's id.

    A default that does not exist any more is said, and then is none of them.
    """
    models, default = repository.list_models(), ""
    models = [model for model in models if isinstance(model, DamagedModel) or not model.archived]
    if any(isinstance(model, SavedModel) for model in models):
        with show_errors():
            default = repository.get_default_id()
    return sorted(models, key=lambda model: (model.id != default, model.id)), default


def _format_model_option(model: SavedModel | DamagedModel) -> str:
    if isinstance(model, DamagedModel):
        return f"{model.id} · damaged"
    if not model.has_out_of_fold:
        return f"{model.id} · imported, not measured"
    return f"{model.id} · AUC {wording.format_number(model.metrics.auc, 2)}"
