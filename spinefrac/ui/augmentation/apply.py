"""Apply and export an augmentation: as a preset, as code, as a file, as copies on disk."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from spinefrac import settings, wording
from spinefrac.access.policy import Action
from spinefrac.errors import SpinefracError
from spinefrac.store import identifiers
from spinefrac.training.augmentation import export, presets, preview
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.augmentation.presets import NamedAugmentation
from spinefrac.training.augmentation.yaml_io import to_yaml
from spinefrac.ui.augmentation.controls import SELECTED_PRESET_KEY, AugmentationSelection
from spinefrac.ui.augmentation.source import PreviewSlice
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.common.templates import render_html

#: More images than this are written by the command line, which does not wait for a browser.
MAX_IMAGES_IN_BROWSER = 2000
#: What a callback reports, shown once: ("error" or "success", text).
_MESSAGE_KEY = "augmentation-message"


def show_apply_and_export(
    preview_slice: PreviewSlice, selection: AugmentationSelection, seed: int
) -> None:
    """Show everything that can be done with the configuration."""
    _show_message()
    st.header("Save as preset", anchor=False)
    _show_save_form(selection)
    st.header("Code", anchor=False)
    _show_code(selection)
    st.header("Augmented copies", anchor=False)
    st.markdown(
        "Training augments slices in memory and needs no copies. Write copies to inspect them or "
        "to use them in other programs. The name of each copy contains the name of its source, as "
        "in `P012_03-augmented1.png`, so the audit keeps them in one group."
    )
    _offer_slice_download(preview_slice, selection.config, seed)
    if preview_slice.folder is not None:
        _show_dataset_export(preview_slice, preview_slice.folder, selection, seed)


def _show_message() -> None:
    """Show the message of a button's callback, once."""
    kind, text = st.session_state.pop(_MESSAGE_KEY, ("", ""))
    if kind == "error":
        layout.show_error(text)
    elif text:
        st.success(layout.escape_markdown(wording.to_sentence(text)))


# --- preset ------------------------------------------------------------------------------


def _show_save_form(selection: AugmentationSelection) -> None:
    preset = selection.preset
    with st.form("augmentation-save", border=False):
        name_column, button_column = st.columns([2, 1], vertical_alignment="bottom")
        name_column.text_input(
            "Name",
            "" if preset.is_preset else preset.bare_name,
            key="augmentation-name",
            max_chars=identifiers.MAX_LENGTH,
            placeholder="small-rotations",
            help="Lower-case letters, digits and hyphens. You can choose it under this name on the "
            "page Train.",
        )
        visitor.button(
            Action.SAVE_PRESET,
            "Save",
            widget=button_column.form_submit_button,
            on_click=_save,
            args=(selection.config,),
            icon=":material/save:",
            width="stretch",
        )
        st.checkbox("Replace existing preset", key="augmentation-replace")
    if not preset.is_preset:
        _show_preset_actions(preset)


def _show_preset_actions(preset: NamedAugmentation) -> None:
    """Offer to share and to delete a saved preset; that of the server everybody sees anyway."""
    with st.container(horizontal=True, vertical_alignment="center", key="preset-actions"):
        if preset.owner:
            sharing = "shared with everybody" if preset.shared else "private"
            text = f"Saved by {preset.owner} · {sharing}"
            # Markdown would make a link of an owner's address.
            st.html(render_html("common/label.html", text=text), width="stretch")
            visitor.button(
                Action.CHANGE_PRESET,
                "Make private" if preset.shared else "Share",
                owner=preset.owner,
                on_click=_share,
                args=(preset,),
                icon=":material/lock:" if preset.shared else ":material/group:",
                help="Everybody may choose a shared preset.",
                key="preset-share",
            )
        visitor.button(
            Action.CHANGE_PRESET,
            f"Delete {preset.name}",
            owner=preset.owner,
            on_click=_delete,
            args=(preset,),
            icon=":material/delete:",
            type="tertiary",
        )


def _save(config: AugmentationConfig) -> None:
    state = st.session_state
    name = state["augmentation-name"].strip()
    try:
        with visitor.act(Action.SAVE_PRESET, name) as identity:
            presets.save(identity, name, config, overwrite=state["augmentation-replace"])
    except SpinefracError as error:
        state[_MESSAGE_KEY] = ("error", str(error))
        return
    state["augmentation-base-preset"] = state[SELECTED_PRESET_KEY] = name
    state[_MESSAGE_KEY] = ("success", f"Saved as {name}. You can choose it on the page Train.")


def _share(preset: NamedAugmentation) -> None:
    state = st.session_state
    try:
        with visitor.act(Action.CHANGE_PRESET, preset.name, owner=preset.owner) as identity:
            presets.share(identity, preset.name, shared=not preset.shared)
    except SpinefracError as error:
        state[_MESSAGE_KEY] = ("error", str(error))


def _delete(preset: NamedAugmentation) -> None:
    state = st.session_state
    try:
        with visitor.act(Action.CHANGE_PRESET, preset.name, owner=preset.owner) as identity:
            presets.delete(identity, preset.name)
    except SpinefracError as error:
        state[_MESSAGE_KEY] = ("error", str(error))
        return
    state["augmentation-base-preset"] = state[SELECTED_PRESET_KEY] = "standard"
    state[_MESSAGE_KEY] = ("success", f"deleted {preset.name}")


# --- code --------------------------------------------------------------------------------


def _show_code(selection: AugmentationSelection) -> None:
    """Show the configuration as Python, as YAML and as an option of the command line."""
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
        "Download YAML",
        text,
        "augmentation.yaml",
        icon=":material/download:",
        on_click="ignore",
    )
    layout.show_commands(
        f"spinefrac train my-slices --name my-model --augmentation {_get_cli_value(selection)}"
    )


def _get_cli_value(selection: AugmentationSelection) -> str:
    return "augmentation.yaml" if selection.is_modified else selection.preset.full_name


# --- copies ------------------------------------------------------------------------------


def _offer_slice_download(
    preview_slice: PreviewSlice, config: AugmentationConfig, seed: int
) -> None:
    def make_zip() -> bytes:
        return export.export_slice_zip(
            preview_slice.pixels,
            config,
            seed,
            preview_slice.index,
            preview.GRID_SIZE,
            preview_slice.name,
        )

    st.download_button(
        f"Download this slice and {preview.GRID_SIZE} copies (ZIP)",
        make_zip,
        "augmented-slice.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
    )


def _show_dataset_export(
    preview_slice: PreviewSlice, folder: Path, selection: AugmentationSelection, seed: int
) -> None:
    """Offer to write copies of a whole data set, `folder`, into the home of the app."""
    n_slices = len(preview.list_training_order(folder).paths)
    with st.form("augmentation-export"):
        name_column, copies_column = st.columns(2)
        name = name_column.text_input("New folder", placeholder="my-copies", max_chars=80)
        copies = int(copies_column.number_input("Copies per slice", 1, 20, 4))
        submitted = visitor.button(
            Action.ADD_DATASET,
            f"Write copies of all {n_slices:,} slices",
            widget=st.form_submit_button,
            icon=":material/folder_copy:",
        )
    if not submitted:
        return
    n_images = n_slices * (copies + 1)
    if n_images > MAX_IMAGES_IN_BROWSER:
        st.info(f"{n_images:,} images are too many for the browser. Use the command line:")
        layout.show_commands(
            f"spinefrac augment FOLDER OUT --augmentation {_get_cli_value(selection)} "
            f"--copies {copies} --seed {seed} --size {preview_slice.preprocessing.size}"
        )
        return
    with layout.show_errors():
        _write_copies(preview_slice, folder, selection.config, seed, copies, name.strip())


def _write_copies(
    preview_slice: PreviewSlice,
    folder: Path,
    config: AugmentationConfig,
    seed: int,
    copies: int,
    name: str,
) -> None:
    """Write copies of a data set below ``HOME/augmented``, and show the result.

    Raises
    ------
    SpinefracError
        The name is not valid, the target exists, or the data set cannot be read or written.
    """
    target = settings.home() / "augmented" / identifiers.validate(name, "The folder", "my-copies")
    bar = st.progress(0.0, "Writing the copies…")

    def show_progress(done: int, total: int) -> None:
        bar.progress(done / total)

    result = export.export_augmented_copies(
        folder,
        target,
        config,
        copies=copies,
        seed=seed,
        preprocessing=preview_slice.preprocessing,
        progress=show_progress,
    )
    bar.empty()
    skipped = f", {len(result.unreadable)} files skipped" if result.unreadable else ""
    st.success(
        f"{result.slices:,} slices and {result.copies:,} copies written to "
        f"{layout.escape_markdown(f'augmented/{target.name}')} in the app folder{skipped}."
    )
