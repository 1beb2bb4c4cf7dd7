"""A browser of the folders that the page Train may read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from spinefrac.access import datasets
from spinefrac.data import data_roots
from spinefrac.ui.common import folders, layout

#: The folder that is open; absent at the list of roots.
_OPEN_KEY = "train-open-folder"


def show_browser(roots: Sequence[Path]) -> Path | None:
    """Let the user go through the folders below the roots; return the one that is chosen.

    Parameters
    ----------
    roots : sequence of Path
        Such as `settings.data_roots`.

    Raises
    ------
    DatasetError
        The chosen folder holds data sets of others.
    """
    present = [root for root in roots if root.is_dir()]
    if not present:
        _explain_missing_roots(roots)
        return None
    opened = _find_open_folder(present)
    inside = present if opened is None else _list_inside(opened)
    chosen = None
    with st.container(border=True, key="folder-browser"):
        if opened is None:
            st.caption("Folders that this app may read:")
        else:
            chosen = _show_open_folder(opened, present)
        for number, folder in enumerate(inside):
            st.button(
                layout.escape_markdown(folder.name if opened else str(folder)),
                key=f"open-folder-{number}",
                icon=":material/folder:",
                type="tertiary",
                on_click=_open,
                args=(folder,),
            )
        if opened is not None and not inside:
            st.caption("No folders inside.")
    return chosen


def _show_open_folder(opened: Path, roots: Sequence[Path]) -> Path | None:
    """Show where the user is, a way up, and the button that chooses it."""
    st.markdown(f"**{layout.escape_markdown(data_roots.display_path(opened, roots))}**")
    with st.container(horizontal=True):
        can_go_up = opened not in roots or len(roots) > 1
        st.button(
            "Up",
            key="open-folder-up",
            icon=":material/arrow_upward:",
            disabled=not can_go_up,
            on_click=_open,
            args=(None if opened in roots else opened.parent,),
        )
        if st.button("Use this folder", key="use-folder", type="primary", icon=":material/check:"):
            return folders.resolve(str(opened))
    return None


def _find_open_folder(roots: Sequence[Path]) -> Path | None:
    """Return the open folder, where it is still there; the only root where there is one."""
    opened = st.session_state.get(_OPEN_KEY, roots[0] if len(roots) == 1 else None)
    return opened if opened is not None and opened.is_dir() else None


def _list_inside(folder: Path) -> list[Path]:
    """Return the folders inside, without those that uploads are kept in."""
    uploads = datasets.uploads_dir().resolve()
    return [path for path in data_roots.list_subfolders(folder) if path.resolve() != uploads]


def _open(folder: Path | None) -> None:
    st.session_state[_OPEN_KEY] = folder


def _explain_missing_roots(roots: Sequence[Path]) -> None:
    st.info(
        "This app may read no folder yet. Make this one and put your slices into it:",
        icon=":material/folder_off:",
    )
    st.code(str(roots[0]), language=None, wrap_lines=True)
    st.markdown("Or start the app so that it may read the folder where they are:")
    layout.show_commands("SPINEFRAC_DATA_ROOTS=/path/to/my-folder spinefrac app")
