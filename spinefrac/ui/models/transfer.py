"""Export of a model as a ZIP, and import of a model from a file where the server allows it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from spinefrac import settings, wording
from spinefrac.access.policy import Action
from spinefrac.exchange import export as model_export
from spinefrac.exchange import import_model, io_spec
from spinefrac.exchange.threshold_agreement import ThresholdAgreement
from spinefrac.store import identifiers, manage
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, session, visitor
from spinefrac.ui.models import dialogs

T = TypeVar("T")

FORMAT_TITLES = {
    "keras": "Keras (.keras)",
    "onnx": "ONNX",
    "h5": "Keras HDF5 (.h5)",
    "savedmodel": "TensorFlow SavedModel",
    "litert": "LiteRT (float32)",
    "litert-int8": "LiteRT (int8)",
}
FROM_FILE = "From file"


def show_export(model: SavedModel) -> None:
    """Create a ZIP of the model and offer it; it stays in this session's memory."""
    st.markdown(
        "A ZIP with the model card, the preprocessing and a `predict.py` that needs only NumPy, "
        "OpenCV, Pillow and ONNX Runtime. Every format is loaded again and verified on 16 slices "
        "before you can download it."
    )
    formats = st.multiselect(
        "Additional formats",
        [name for name in model_export.FORMATS if name not in model_export.REQUIRED_FORMATS],
        format_func=lambda name: FORMAT_TITLES.get(name, name),
    )
    keep_names = layout.ask_keep_names()
    options = (model.card_hash, model.note, tuple(formats), keep_names)
    if visitor.button(Action.EXPORT_MODEL, "Create ZIP", type="primary", key="export-create"):
        st.session_state.pop("export-result", None)
        with (
            visitor.act(Action.EXPORT_MODEL, model.id),
            st.spinner("Exporting and verifying; up to two minutes with all formats…"),
        ):
            result = _export(model, formats, keep_names)
        st.session_state["export-result"] = (options, *result)
    saved = st.session_state.get("export-result")
    if saved is None or saved[0] != options:
        return
    _, result, content = saved
    _show_verification(result)
    st.download_button(
        f"Download {model.id}.zip ({wording.format_megabytes(result.bytes)})",
        content,
        f"{model.id}.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
    )


def _export(
    model: SavedModel, formats: list[str], keep_names: bool
) -> tuple[model_export.ExportResult, bytes]:
    """Return what was exported and the content of the ZIP."""
    with tempfile.TemporaryDirectory() as folder:
        result = model_export.export_model(
            model, Path(folder) / f"{model.id}.zip", formats, keep_names=keep_names
        )
        return result, result.path.read_bytes()


def _show_verification(result: model_export.ExportResult) -> None:
    """Show how far each format's probabilities differ from the model's."""
    rows = [
        (
            FORMAT_TITLES.get(entry.format, entry.format),
            f"{entry.bytes / 1e6:.2f} MB",
            f"{entry.largest_difference:.1g}",
            f"{entry.slices}",
            entry.agreement.summarize(),
        )
        for entry in result.formats
    ]
    layout.show_table(
        ("Format", "Size", "Maximum probability difference", "Slices", "At the threshold"), rows
    )
    for entry in result.formats:
        if entry.loss:
            st.caption(layout.escape_markdown(describe_quantization_loss(entry.loss)))


def describe_quantization_loss(loss: dict[str, Any]) -> str:
    """Return what int8 quantization changes, as a sentence with its interval."""
    text = (
        f"int8 quantization changes the probability by {loss['mean_difference']:.3f} on average "
        f"and {loss['largest_difference']:.3f} at most, on {loss['slices']} slices "
        f"({loss['measured_on']}). {ThresholdAgreement(**loss['agreement']).describe()}"
    )
    if loss["auc_difference"] is not None and loss["auc_interval"]:
        interval = wording.format_interval(tuple(loss["auc_interval"]), signed=True)
        text += f" AUC {loss['auc_difference']:+.3f} ({interval})."
    return text


def show_import() -> None:
    """Import a model from a file, where the server and the role allow it."""
    if not visitor.permits(Action.IMPORT_MODEL):
        return
    with st.expander("Import a model"):
        if not settings.imports_allowed():
            st.markdown(
                "Import is disabled in the browser on this server. Use the command line on the "
                "server:"
            )
            layout.show_commands("spinefrac models import FILE")
            return
        st.markdown(
            "A ZIP exported by spinefrac, or a network as `.keras`, `.h5` or `.onnx`. The file is "
            "checked in a sandboxed process. Settings that are missing in the file must be "
            "entered below; they are never guessed."
        )
        upload = st.file_uploader("File", type=["zip", "keras", "h5", "hdf5", "onnx"])
        name = st.text_input(
            "Model name",
            help=f"{dialogs.NAME_RULE} Leave empty to use the name from the file.",
        )
        session.hold_uploads("page", *([upload] if upload else []))
        if upload is None:
            return
        declared_io = None if upload.name.endswith(".zip") else _ask_declared_io()
        if visitor.button(Action.IMPORT_MODEL, "Import", type="primary"):
            with layout.show_errors(), st.spinner("Checking the file…"):
                model_id = _import_upload(upload, name.strip(), declared_io)
                if owner := visitor.get_owner():  # whatever the card of a file from elsewhere says
                    manage.set_owner(model_id, owner)
                visitor.record(Action.IMPORT_MODEL, model_id)
                dialogs.open_model_page(model_id)


def _ask_declared_io() -> io_spec.DeclaredIO:
    """Ask for what a network's file may lack; what is left to the file is None."""
    size, channels, scale, output, positive = st.columns(5)
    side = size.number_input("Input size (pixels)", 0, 4096, 0, help="0: from file")
    return io_spec.DeclaredIO(
        size=int(side) or None,
        channels=_choose_or_none(channels, "Channels", (1, 3)),
        scale=_choose_or_none(scale, "Input scaling", io_spec.INPUT_SCALES),
        output=_choose_or_none(output, "Output", io_spec.OUTPUT_ACTIVATIONS),
        positive_class=_choose_or_none(positive, "Index of the fracture class", (0, 1)),
    )


def _choose_or_none(column: DeltaGenerator, title: str, values: Iterable[T]) -> T | None:
    """Let the user choose a value; None where it is left to the file."""
    return column.selectbox(
        title,
        (None, *values),
        format_func=lambda value: FROM_FILE if value is None else str(value),
    )


def _import_upload(upload: UploadedFile, name: str, declared_io: io_spec.DeclaredIO | None) -> str:
    """Import an upload under the bare name of its file; return the model's id."""
    with tempfile.TemporaryDirectory() as folder:
        # The browser sends any text as a name; only its ending is used.
        path = Path(folder) / f"upload{Path(upload.name).suffix.lower()}"
        path.write_bytes(upload.getvalue())
        is_archive = path.suffix == ".zip"
        wanted = name or (None if is_archive else identifiers.slugify(Path(upload.name).stem))
        return import_model.import_file(path, wanted, user_io=declared_io).id
