"""Parts of every page: heading, choice of the model, tables, notes and errors."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import streamlit as st

from spinefrac import settings, wording
from spinefrac.access.policy import Action
from spinefrac.errors import SpinefracError
from spinefrac.records import NOT_A_MEDICAL_DEVICE
from spinefrac.store import repository
from spinefrac.store.repository import DamagedModel, SavedModel
from spinefrac.ui.common import visitor
from spinefrac.ui.common.templates import render_html

log = logging.getLogger("spinefrac.pages")

#: Holds the model that the address names.
_ADDRESS_KEY = "model-in-address"

#: A table of more rows can be searched.
SEARCH_FROM = 8

_T = TypeVar("_T")
_R = TypeVar("_R")


def show_heading(title: str, description: str) -> None:
    """Begin a page: style sheet, title, purpose and disclaimer."""
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
    """Show an error inside the block as one line; the page continues after it.

    An unexpected error is logged with its traceback but without its message, which could name a
    patient's file.
    """
    try:
        yield
    except SpinefracError as error:
        show_error(str(error))
    except Exception as error:  # noqa: BLE001 - the page must not end in a stack trace
        show_error(_log_unexpected(error))


def show_rows(rows: Iterable[_T], show_row: Callable[[_T], None]) -> None:
    """Show rows one after the other; one that fails is an error in its place, the others go on."""
    for row in rows:
        with show_errors():
            show_row(row)


def build_rows(
    rows: Iterable[_T], build_row: Callable[[_T], _R], build_note: Callable[[str], _R]
) -> list[_R]:
    """Return the rows of a table; of one that fails, what `build_note` makes of the reason."""
    return [_build_row_or_note(row, build_row, build_note) for row in rows]


def _build_row_or_note(
    row: _T, build_row: Callable[[_T], _R], build_note: Callable[[str], _R]
) -> _R:
    try:
        return build_row(row)
    except SpinefracError as error:
        return build_note(wording.to_sentence(str(error)))
    except Exception as error:  # noqa: BLE001 - the other rows are shown
        return build_note(_log_unexpected(error))


def _log_unexpected(error: Exception) -> str:
    """Log an error with its traceback but without its message, and return what the page says."""
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("unexpected %s\n%s", type(error).__name__, where)
    return "Unexpected error. See the server log for details, or try another file."


def escape_markdown(text: str) -> str:
    """Return `text` as Markdown that shows it letter by letter."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def make_key(path: Path) -> str:
    """Return a key of widgets about a folder, whose name may be of any signs."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


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


def show_card_title(text: str) -> None:
    """Show the small bold title of a card."""
    st.html(render_html("common/card_title.html", text=text))


def show_label(text: str) -> None:
    """Show a line that looks like the label of a widget."""
    st.html(render_html("common/label.html", text=text))


def ask_keep_names() -> bool:
    """Ask whether names stay in what is downloaded, as ``--keep-names`` of the commands does."""
    if not visitor.permits(Action.REVIEW_LABELS):
        return False
    return st.toggle(
        "Include file names, groups and series of the training slices",
        help="They may identify patients. Otherwise they are numbers. The file says which.",
        key="keep-names",
    )


def ask_search(key: str, placeholder: str) -> Callable[[str], bool]:
    """Show a field to search a table with; return whether a text has all words that are typed."""
    typed = st.text_input(
        "Search",
        key=key,
        placeholder=placeholder,
        icon=":material/search:",
        label_visibility="collapsed",
    )
    words = typed.casefold().split()
    return lambda text: all(word in text.casefold() for word in words)


def show_error(message: str, *, icon: str = ":material/error:") -> None:
    """Show an error message as one sentence, letter by letter."""
    st.error(escape_markdown(wording.to_sentence(message)), icon=icon)


def show_warning(message: str, *, icon: str = ":material/warning:") -> None:
    """Show a warning as one sentence, letter by letter."""
    st.warning(escape_markdown(wording.to_sentence(message)), icon=icon)


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
    """Show that there is no saved model, and the commands that make one."""
    st.info(
        "There is no saved model yet. Create one from synthetic slices with these two commands, "
        "then reload this page.",
        icon=":material/info:",
    )
    show_commands(
        "spinefrac phantom my-slices --patients 60 --slices 12",
        "spinefrac train my-slices --name my-model --folds 5 --epochs 10",
    )


def begin_model_page(title: str, description: str) -> SavedModel | None:
    """Begin a page about one saved model: heading on the left, the choice on the right.

    Returns
    -------
    SavedModel or None
        None if there is none or the chosen one is damaged; the page then explains it.
    """
    left, right = st.columns([2, 1], gap="medium", vertical_alignment="bottom")
    with left:
        show_heading(title, description)
    models, _ = list_active_models()
    _explain_missing_model(models)
    if not models:
        show_no_model()
        return None
    if (linked := _find_linked_model(models)) is not None:
        st.session_state["model"] = linked
    chosen = right.selectbox(
        "Model",
        models,
        format_func=_format_model_option,
        key="model",
        on_change=lambda: st.session_state.pop("missing-model-message", None),
    )
    st.session_state["previous-model"] = chosen.id
    _write_model_into_address(chosen.id, is_default=chosen.id == models[0].id)
    if isinstance(chosen, DamagedModel):
        show_error(chosen.reason)
        return None
    return chosen


def _find_linked_model(
    models: Sequence[SavedModel | DamagedModel],
) -> SavedModel | DamagedModel | None:
    """Return the model that a link asks for; the one that is in the address already is chosen."""
    wanted = st.query_params.get("model")
    if wanted == st.session_state.get(_ADDRESS_KEY):
        return None
    return next((model for model in models if model.id == wanted), None)


def _write_model_into_address(model_id: str, *, is_default: bool) -> None:
    """Have the address name the model, so that a reload keeps it; the default needs no name."""
    st.session_state[_ADDRESS_KEY] = None if is_default else model_id
    if is_default:
        st.query_params.pop("model", None)
    else:
        st.query_params["model"] = model_id


def _explain_missing_model(models: Sequence[SavedModel | DamagedModel]) -> None:
    """Warn where the model that this session used is missing.

    Another model is then selected, which nobody should take for the old one: the warning stays
    until the user chooses a model.
    """
    previous = st.session_state.get("previous-model")
    if previous is not None and previous not in [model.id for model in models]:
        is_archived = (settings.models_dir() / previous).is_dir()
        reason = (
            f"The model {previous} was archived"
            if is_archived
            else repository.explain_missing(previous)
        )
        st.session_state["missing-model-message"] = (
            f"{wording.to_sentence(reason)} Another model is selected now."
        )
    if "missing-model-message" in st.session_state:
        show_warning(st.session_state["missing-model-message"])


def list_active_models() -> tuple[list[SavedModel | DamagedModel], str]:
    """Return the saved models that are not archived, the default first, and the default's id.

    Only those that the person may see: to a guest the one of the link.

    An error is shown, and the id is empty, where the default does not exist any more.
    """
    models, default = repository.list_models(), ""
    models = [
        model
        for model in models
        if (isinstance(model, DamagedModel) or not model.archived)
        and visitor.permits(Action.SEE_MODEL, model=model.id)
    ]
    if any(isinstance(model, SavedModel) for model in models):
        with show_errors():
            default = repository.get_default_id()
    return sorted(models, key=lambda model: (model.id != default, model.id)), default


def _format_model_option(model: SavedModel | DamagedModel) -> str:
    if isinstance(model, DamagedModel):
        return f"{model.id} · damaged"
    if not model.has_out_of_fold:
        return f"{model.id} · imported, not evaluated"
    return f"{model.id} · AUC {wording.format_number(model.metrics.auc, 2)}"
