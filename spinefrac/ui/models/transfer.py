"""Models that leave as a ZIP, and models that come in where the server lets them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from spinefrac import settings
from spinefrac.exchange import export as model_export
from spinefrac.exchange import import_model, io_spec
from spinefrac.store import identifiers
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.ui.models import dialogs

FORMAT_TITLES = {
    "h5": "Keras HDF5 (.h5)",
    "savedmodel": "TensorFlow SavedModel",
    "litert": "LiteRT, 32-bit",
    "litert-int8": "LiteRT, 8-bit",
}
FROM_FILE = "as the file says"


def show_export(model: SavedModel) -> None:
    """Make a ZIP of the model and offer it; it stays in this session's memory."""
    st.markdown(
        "One ZIP with the model card, the preprocessing and a `predict.py` that needs only NumPy, "
        "Pillow and ONNX Runtime. Every format is read back in a process of its own and compared "
        "on 16 slices before you get it."
    )
    choices = [name for name in model_export.FORMATS if name not in model_export.REQUIRED_FORMATS]
    extra = st.multiselect(
        "Formats beside ONNX and Keras",
        choices,
        format_func=lambda name: FORMAT_TITLES.get(name, name),
    )
    with_names = st.toggle(
        "Keep file names and groups of the training slices",
        help="They may name patients. Without them slices and groups are numbered.",
    )
    wanted = (model.card_hash, model.note, tuple(extra), with_names)
    if st.button("Make the ZIP", type="primary", key="export-create"):
        st.session_state.pop("export-result", None)
        with (
            st.spinner("Writing, reading back and comparing; a minute or two with all formats…"),
            tempfile.TemporaryDirectory() as folder,
        ):
            made = model_export.export_model(
                model, Path(folder) / f"{model.id}.zip", extra, keep_names=with_names
            )
            st.session_state["export-result"] = (wanted, made, made.path.read_bytes())
    kept = st.session_state.get("export-result")
    if kept is None or kept[0] != wanted:
        return
    _, made, content = kept
    _show_verification(made)
    st.download_button(
        f"{model.id}.zip, {made.bytes / 1e6:.1f} MB",
        content,
        f"{model.id}.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
    )


def _show_verification(result: model_export.ExportResult) -> None:
    """Show how far each format's answers lie from the model's, and what 8 bits cost."""
    rows = [
        (
            FORMAT_TITLES.get(entry.format, entry.format),
            f"{entry.bytes / 1e6:.2f} MB",
            f"{entry.largest_difference:.1g}",
            f"{entry.slices}",
        )
        for entry in result.formats
    ]
    layout.show_table(("Format", "Size", "Largest difference of a probability", "Slices"), rows)
    for entry in result.formats:
        if entry.loss:
            st.caption(layout.escape_markdown(_describe_quantization_loss(entry.loss)))


def _describe_quantization_loss(loss: dict) -> str:
    """Say what 8-bit numbers cost, with the interval."""
    said = (
        f"8-bit numbers change the probability by {loss['mean_difference']:.3f} on average and "
        f"{loss['largest_difference']:.3f} at most, and leave {100 * loss['same_calls']:.0f} % of "
        f"the calls as they were, on {loss['slices']} slices ({loss['measured_on']})."
    )
    if loss["auc_difference"] is not None and loss["auc_interval"]:
        low, high = loss["auc_interval"]
        said += f" AUC {loss['auc_difference']:+.3f} ({low:+.3f} to {high:+.3f})."
    return said


def show_import() -> None:
    """Take a model from a file, where the server allows it."""
    with st.expander("Import a model"):
        if not settings.imports_allowed():
            st.markdown("This server does not take models from the browser. On the machine itself:")
            layout.show_commands("spinefrac models import FILE")
            return
        st.markdown(
            "A ZIP that was exported here, or a network as `.keras`, `.h5` or `.onnx`. A limited "
            "process looks at it first. What a network's file does not say is never guessed: you "
            "are asked for it."
        )
        upload = st.file_uploader("File", type=["zip", "keras", "h5", "hdf5", "onnx"])
        name = st.text_input("Name for it", help=dialogs.NAME_RULE + " Empty: the file's own.")
        given = _ask_io() if upload is not None and not upload.name.endswith(".zip") else None
        if upload is not None and st.button("Import", type="primary"):
            with layout.show_errors(), st.spinner("Looking at the file…"):
                dialogs.open_model_page(_import_upload(upload, name.strip(), given))


def _ask_io() -> io_spec.DeclaredIO:
    """Ask for what a network's file need not say."""
    size, channels, scale, output, positive = st.columns(5)
    sides = size.number_input("Side, pixels", 0, 4096, 0, help="0: as the file says.")
    chosen = {
        "channels": channels.selectbox("Channels", (FROM_FILE, 1, 3)),
        "scale": scale.selectbox("Grey values", (FROM_FILE, *io_spec.INPUT_SCALES)),
        "output": output.selectbox("Output", (FROM_FILE, *io_spec.OUTPUT_ACTIVATIONS)),
        "positive_class": positive.selectbox("Class that is fracture", (FROM_FILE, 0, 1)),
    }
    known = {key: None if value == FROM_FILE else value for key, value in chosen.items()}
    return io_spec.DeclaredIO(size=int(sides) or None, **known)


def _import_upload(upload, name: str, declared_io: io_spec.DeclaredIO | None) -> str:
    """Import an upload under the bare name of its file; return the model's name."""
    with tempfile.TemporaryDirectory() as folder:
        # The browser sends any text as a name; only its ending is taken over.
        path = Path(folder) / f"upload{Path(upload.name).suffix.lower()}"
        path.write_bytes(upload.getvalue())
        wanted = name or (
            None if path.suffix == ".zip" else identifiers.slugify(Path(upload.name).stem)
        )
        return import_model.import_file(path, wanted, user_io=declared_io).id
