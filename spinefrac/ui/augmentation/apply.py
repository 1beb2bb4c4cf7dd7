"""Take an augmentation along: as code, as a file, under a name, as copies on disk."""

from __future__ import annotations

import streamlit as st

from spinefrac import settings
from spinefrac.errors import SpinefracError
from spinefrac.store import identifiers
from spinefrac.training.augmentation import export as augmented_export
from spinefrac.training.augmentation import presets as sets
from spinefrac.training.augmentation import preview
from spinefrac.training.augmentation.config import PRESETS, AugmentationConfig
from spinefrac.training.augmentation.yaml_io import to_yaml
from spinefrac.ui.augmentation.controls import CHOSEN, Chosen
from spinefrac.ui.augmentation.source import Shown
from spinefrac.ui.common import layout

#: More pictures than this are written by the command line, which does not wait for a browser.
MOST_HERE = 2000


def show(shown: Shown, chosen: Chosen, seed: int) -> None:
    """Show everything that can be done with the configuration."""
    _said()
    _by_name(chosen)
    st.subheader("As code", anchor=False)
    python, yaml = st.columns([1, 1.4], gap="medium")
    python.code(
        "from spinefrac.training.settings import AugmentationConfig\n\n"
        + chosen.config.python_call(),
        language="python",
        wrap_lines=True,
    )
    text = to_yaml(chosen.config)
    yaml.code(text, language="yaml", wrap_lines=True)
    yaml.download_button(
        "augmentation.yaml",
        text,
        "augmentation.yaml",
        icon=":material/download:",
        on_click="ignore",
    )
    layout.commands(f"spinefrac train my-slices --name my-model --augmentation {_option(chosen)}")
    st.subheader("As copies", anchor=False)
    st.markdown(
        "Training changes its slices by itself and needs no copies. They are for looking at, and "
        "for other programs. Each is named after its source, as in `P012_03-augmented1.png`, so "
        "that the audit knows which slices belong together."
    )
    _this_slice(shown, chosen.config, seed)
    if shown.folder is not None:
        _data_set(shown, chosen, seed)


def _option(chosen: Chosen) -> str:
    return "augmentation.yaml" if chosen.changed else chosen.start


def _said() -> None:
    """Show what a button's callback has to say, once."""
    said = st.session_state.pop("augmentation-said", None)
    if said:
        kind, text = said
        (st.error if kind == "error" else st.success)(layout.plain(layout.sentence(text)))


# --- under a name ------------------------------------------------------------------------


def _by_name(chosen: Chosen) -> None:
    st.subheader("Under a name", anchor=False)
    own = "" if chosen.start in PRESETS else chosen.start
    with st.form("augmentation-save", border=False):
        name_column, button_column = st.columns([2, 1], vertical_alignment="bottom")
        name_column.text_input(
            "Name",
            own,
            key="augmentation-name",
            max_chars=identifiers.MAX_LENGTH,
            placeholder="gentle-turns",
            help="Lower-case letters, digits and hyphens. The Train page offers it by this name.",
        )
        button_column.form_submit_button(
            "Save", on_click=_save, args=(chosen.config,), icon=":material/save:", width="stretch"
        )
        st.checkbox("Replace the one of this name", key="augmentation-replace")
    if own:
        st.button(
            f"Delete {own}",
            on_click=_delete,
            args=(own,),
            icon=":material/delete:",
            type="tertiary",
        )


def _save(config: AugmentationConfig) -> None:
    state = st.session_state
    name = state["augmentation-name"].strip()
    try:
        sets.save(name, config, replace=state["augmentation-replace"])
    except SpinefracError as error:
        state["augmentation-said"] = ("error", str(error))
        return
    state["augmentation-start"] = state[CHOSEN] = name
    state["augmentation-said"] = ("success", f"saved as {name}; the Train page offers it")


def _delete(name: str) -> None:
    state = st.session_state
    try:
        sets.delete(name)
    except SpinefracError as error:
        state["augmentation-said"] = ("error", str(error))
        return
    state["augmentation-start"] = state[CHOSEN] = "standard"
    state["augmentation-said"] = ("success", f"deleted {name}")


# --- as copies ---------------------------------------------------------------------------


def _this_slice(shown: Shown, config: AugmentationConfig, seed: int) -> None:
    def zipped() -> bytes:
        return augmented_export.zipped(
            shown.pixels, config, seed, shown.index, preview.SHOWN, shown.name
        )

    st.download_button(
        f"This slice and its {preview.SHOWN} copies (ZIP)",
        zipped,
        "augmented-slice.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
    )


def _data_set(shown: Shown, chosen: Chosen, seed: int) -> None:
    """Write copies of the whole data set into a folder of the home."""
    where = settings.home() / "augmented"
    slices = len(preview.training_order(shown.folder).paths)
    with st.form("augmentation-export"):
        name_column, copies_column = st.columns(2)
        name = name_column.text_input("New folder", placeholder="my-copies", max_chars=80)
        copies = copies_column.number_input("Copies of each slice", 1, 20, 4)
        wanted = st.form_submit_button(
            f"Write copies of all {slices:,} slices", icon=":material/folder_copy:"
        )
    if not wanted:
        return
    if slices * (copies + 1) > MOST_HERE:
        st.info(f"These are {slices * (copies + 1):,} pictures. On the command line, write them by")
        layout.commands(
            f"spinefrac augment FOLDER OUT --augmentation {_option(chosen)} --copies {copies} "
            f"--seed {seed} --size {shown.preprocessing.size}"
        )
        return
    with layout.errors_shown():
        out = where / identifiers.validate(name.strip(), "The folder", "my-copies")
        bar = st.progress(0.0, "Writing the copies…")
        result = augmented_export.export(
            shown.folder,
            out,
            chosen.config,
            copies=copies,
            seed=seed,
            preprocessing=shown.preprocessing,
            progress=lambda done, of: bar.progress(done / of),
        )
        bar.empty()
        left_out = f", {len(result.left_out)} left out" if result.left_out else ""
        st.success(
            f"{result.slices:,} slices and {result.copies:,} copies are in "
            f"{layout.plain(f'augmented/{out.name}')} in the app's home{left_out}."
        )
