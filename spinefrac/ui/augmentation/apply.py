"""Take an augmentation along: as code, as a file, under a name, as copies on disk."""

from __future__ import annotations

import streamlit as st

from spinefrac import settings, wording
from spinefrac.errors import SpinefracError
from spinefrac.store import identifiers
from spinefrac.training.augmentation import export as augmented_export
from spinefrac.training.augmentation import presets as sets
from spinefrac.training.augmentation import preview
from spinefrac.training.augmentation.config import PRESETS, AugmentationConfig
from spinefrac.training.augmentation.yaml_io import to_yaml
from spinefrac.ui.augmentation.controls import SELECTED_PRESET_KEY, AugmentationSelection
from spinefrac.ui.augmentation.source import PreviewSlice
from spinefrac.ui.common import layout

#: More pictures than this are written by the command line, which does not wait for a browser.
MAX_IMAGES_IN_BROWSER = 2000


def show_apply_and_export(
    preview_slice: PreviewSlice, selection: AugmentationSelection, seed: int
) -> None:
    """Show everything that can be done with the configuration."""
    _show_message()
    _show_save_form(selection)
    st.subheader("As code", anchor=False)
    python, yaml = st.columns([1, 1.4], gap="medium")
    python.code(
        "from spinefrac.training.settings import AugmentationConfig\n\n"
        + selection.config.to_python_code(),
        language="python",
        wrap_lines=True,
    )
    text = to_yaml(selection.config)
    yaml.code(text, language="yaml", wrap_lines=True)
    yaml.download_button(
        "augmentation.yaml",
        text,
        "augmentation.yaml",
        icon=":material/download:",
        on_click="ignore",
    )
    layout.show_commands(
        f"spinefrac train my-slices --name my-model --augmentation {_get_cli_value(selection)}"
    )
    st.subheader("As copies", anchor=False)
    st.markdown(
        "Training changes its slices by itself and needs no copies. They are for looking at, and "
        "for other programs. Each is named after its source, as in `P012_03-augmented1.png`, so "
        "that the audit knows which slices belong together."
    )
    _offer_slice_download(preview_slice, selection.config, seed)
    if preview_slice.folder is not None:
        _show_dataset_export(preview_slice, selection, seed)


def _get_cli_value(selection: AugmentationSelection) -> str:
    return "augmentation.yaml" if selection.is_modified else selection.preset


def _show_message() -> None:
    """Show what a button's callback has to say, once."""
    said = st.session_state.pop("augmentation-message", None)
    if said:
        kind, text = said
        (st.error if kind == "error" else st.success)(
            layout.escape_markdown(wording.to_sentence(text))
        )


# --- under a name ------------------------------------------------------------------------


def _show_save_form(selection: AugmentationSelection) -> None:
    st.subheader("Under a name", anchor=False)
    own = "" if selection.preset in PRESETS else selection.preset
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
            "Save",
            on_click=_save,
            args=(selection.config,),
            icon=":material/save:",
            width="stretch",
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
        sets.save(name, config, overwrite=state["augmentation-replace"])
    except SpinefracError as error:
        state["augmentation-message"] = ("error", str(error))
        return
    state["augmentation-base-preset"] = state[SELECTED_PRESET_KEY] = name
    state["augmentation-message"] = ("success", f"saved as {name}; the Train page offers it")


def _delete(name: str) -> None:
    state = st.session_state
    try:
        sets.delete(name)
    except SpinefracError as error:
        state["augmentation-message"] = ("error", str(error))
        return
    state["augmentation-base-preset"] = state[SELECTED_PRESET_KEY] = "standard"
    state["augmentation-message"] = ("success", f"deleted {name}")


# --- as copies ---------------------------------------------------------------------------


def _offer_slice_download(
    preview_slice: PreviewSlice, config: AugmentationConfig, seed: int
) -> None:
    def make_zip() -> bytes:
        return augmented_export.export_slice_zip(
            preview_slice.pixels,
            config,
            seed,
            preview_slice.index,
            preview.GRID_SIZE,
            preview_slice.name,
        )

    st.download_button(
        f"This slice and its {preview.GRID_SIZE} copies (ZIP)",
        make_zip,
        "augmented-slice.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
    )


def _show_dataset_export(
    preview_slice: PreviewSlice, selection: AugmentationSelection, seed: int
) -> None:
    """Write copies of the whole data set into a folder of the home."""
    where = settings.home() / "augmented"
    slices = len(preview.list_training_order(preview_slice.folder).paths)
    with st.form("augmentation-export"):
        name_column, copies_column = st.columns(2)
        name = name_column.text_input("New folder", placeholder="my-copies", max_chars=80)
        copies = copies_column.number_input("Copies of each slice", 1, 20, 4)
        wanted = st.form_submit_button(
            f"Write copies of all {slices:,} slices", icon=":material/folder_copy:"
        )
    if not wanted:
        return
    if slices * (copies + 1) > MAX_IMAGES_IN_BROWSER:
        st.info(f"These are {slices * (copies + 1):,} pictures. On the command line, write them by")
        layout.show_commands(
            f"spinefrac augment FOLDER OUT --augmentation {_get_cli_value(selection)} --copies {copies} "
            f"--seed {seed} --size {preview_slice.preprocessing.size}"
        )
        return
    with layout.show_errors():
        out = where / identifiers.validate(name.strip(), "The folder", "my-copies")
        bar = st.progress(0.0, "Writing the copies…")
        result = augmented_export.export_augmented_copies(
            preview_slice.folder,
            out,
            selection.config,
            copies=copies,
            seed=seed,
            preprocessing=preview_slice.preprocessing,
            progress=lambda done, of: bar.progress(done / of),
        )
        bar.empty()
        left_out = f", {len(result.unreadable)} left out" if result.unreadable else ""
        st.success(
            f"{result.slices:,} slices and {result.copies:,} copies are in "
            f"{layout.escape_markdown(f'augmented/{out.name}')} in the app's home{left_out}."
        )
