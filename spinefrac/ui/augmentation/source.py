"""The slice that the augmentation is shown on: a sample, an upload, or one of a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from spinefrac import imaging, settings
from spinefrac.access.policy import Action
from spinefrac.data import data_roots
from spinefrac.imaging import decoder_pool
from spinefrac.records import CtSlice, GreyImage, Preprocessing
from spinefrac.training.augmentation import preview
from spinefrac.training.augmentation.preview import TrainingOrder
from spinefrac.ui.common import folders, layout, samples, session, visitor

INPUT_SIZES = tuple(sorted({96, 128, 160, 224, 320, 512, Preprocessing().size}))


@dataclass(frozen=True)
class PreviewSlice:
    """The slice to augment.

    Attributes
    ----------
    ct : CtSlice
        As it was read.
    pixels : uint8 array, shape (S, S)
        After preprocessing, before augmentation.
    preprocessing : Preprocessing
    name : str
        File name that copies are named after.
    index : int
        Its index in the training order of its data set.
    folder : Path or None
        That data set.
    note : str
        Shown above the view.
    """

    ct: CtSlice = field(repr=False)
    pixels: GreyImage = field(repr=False)
    preprocessing: Preprocessing
    name: str = "slice.png"
    index: int = 0
    folder: Path | None = None
    note: str = ""


def choose_slice() -> PreviewSlice | None:
    """Let the user choose a slice and its preprocessing; None while there is none."""
    source_column, slice_column, size_column = st.columns([1.15, 2, 1], gap="medium")
    source = source_column.segmented_control(
        "Source", ["Sample", "Upload", "Data set"], default="Sample", required=True
    )
    size = size_column.selectbox(
        "Image size",
        INPUT_SIZES,
        index=INPUT_SIZES.index(Preprocessing().size),
        format_func=lambda side: f"{side} × {side} pixels",
        help="Training resizes every slice to this size before augmentation.",
    )
    crop = size_column.toggle("Crop to the bone", Preprocessing().bone_crop)
    preprocessing = Preprocessing(size=size, bone_crop=crop)
    if source != "Upload":
        session.hold_uploads("page")
    with slice_column:
        if source == "Sample":
            return _choose_sample(preprocessing)
        if source == "Upload":
            return _choose_upload(preprocessing)
        return _choose_from_dataset(preprocessing)


def _choose_sample(preprocessing: Preprocessing) -> PreviewSlice:
    chosen = st.selectbox("Sample", samples.list_samples(), format_func=samples.Sample.describe)
    ct, pixels = _read_and_preprocess(chosen.path.read_bytes(), None, preprocessing)
    return PreviewSlice(ct, pixels, preprocessing, chosen.path.name)


def _choose_upload(preprocessing: Preprocessing) -> PreviewSlice | None:
    upload = st.file_uploader(
        "CT slice: DICOM, PNG, JPEG, TIFF, BMP or a NIfTI volume",
        key="augmentation-upload",
        help="The file is kept in memory only and is deleted when the session ends.",
    )
    session.hold_uploads("page", *([upload] if upload else []))
    if upload is None:
        return None
    content = upload.getvalue()
    ct, pixels = _read_and_preprocess(content, None, preprocessing)
    if ct.slice_count > 1:
        position = st.slider("Slice of the volume", 1, ct.slice_count, ct.slice_index + 1)
        ct, pixels = _read_and_preprocess(content, position - 1, preprocessing)
    return PreviewSlice(ct, pixels, preprocessing)


def _choose_from_dataset(preprocessing: Preprocessing) -> PreviewSlice | None:
    if not visitor.may(Action.READ_FOLDER):
        return None
    roots, options = settings.data_roots(), folders.list_options()
    if not options:
        st.info(
            "No data set found in the data folders: "
            f"{layout.escape_markdown(', '.join(map(str, roots)))}. Put one there, or add its "
            "parent folder to SPINEFRAC\\_DATA\\_ROOTS.",
            icon=":material/folder_off:",
        )
        return None
    folder_column, number_column = st.columns([2, 1])
    folder = folders.resolve(folder_column.selectbox("Data set", options))
    order = _load_training_order(str(folder))
    number = number_column.number_input(
        f"Slice, 1 to {len(order.paths):,}",
        1,
        len(order.paths),
        help="The order used in training: sorted by path.",
    )
    path = order.paths[number - 1]
    ct, pixels = _read_dataset_slice(str(folder), path, _get_mtime_ns(folder / path), preprocessing)
    caveat = "" if order.is_exact else " (number is exact only if all earlier files can be read)"
    note = f"{path} · slice {number:,} of {len(order.paths):,}{caveat}"
    return PreviewSlice(ct, pixels, preprocessing, Path(path).name, number - 1, folder, note)


@st.cache_resource(max_entries=4, show_spinner="Reading the slice…", scope="session")
def _read_and_preprocess(
    content: bytes, position: int | None, preprocessing: Preprocessing
) -> tuple[CtSlice, GreyImage]:
    """Return a slice of a file, that at `position` of a volume, and the network's input."""
    owner = session.get_owner()
    ct = session.hold_slice(decoder_pool.read(content, slice_index=position, owner=owner))
    return ct, imaging.to_input(ct, preprocessing).pixels


@st.cache_data(max_entries=4, ttl=60, show_spinner="Listing the slices…")
def _load_training_order(folder: str) -> TrainingOrder:
    """Return the slices of a data set in the order of training, cached for a minute."""
    return preview.list_training_order(folder)


def _get_mtime_ns(path: Path) -> int:
    """Return the time of the last change, in ns; 0 where the file is missing."""
    return path.stat().st_mtime_ns if path.is_file() else 0


@st.cache_resource(max_entries=4, show_spinner="Reading the slice…", scope="session")
def _read_dataset_slice(
    folder: str, path: str, mtime_ns: int, preprocessing: Preprocessing
) -> tuple[CtSlice, GreyImage]:
    """Return a slice of a data set and the network's input, cached until the file changes."""
    ct = session.hold_slice(data_roots.read_slice(Path(folder), path))
    return ct, imaging.to_input(ct, preprocessing).pixels
