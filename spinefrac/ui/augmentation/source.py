"""Which slice the augmentation is shown on: a sample, an upload, or one of a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from spinefrac import imaging, settings
from spinefrac.data import data_roots
from spinefrac.records import CtSlice, GreyImage, Preprocessing
from spinefrac.training.augmentation import preview
from spinefrac.training.augmentation.preview import TrainingOrder
from spinefrac.ui.common import layout, samples

INPUT_SIZES = (96, 128, 160, 224, 320, 512)


@dataclass(frozen=True)
class PreviewSlice:
    """The slice to show: as it was read, and as the network sees it.

    `index` is its place in its data set, `folder` that data set, `note` what to say of it.
    """

    ct: CtSlice = field(repr=False)
    pixels: GreyImage = field(repr=False)
    preprocessing: Preprocessing
    name: str = "slice.png"
    index: int = 0
    folder: Path | None = None
    note: str = ""


def choose_slice() -> PreviewSlice | None:
    """Let the user choose a slice and how it is prepared; None while there is none."""
    kind_column, slice_column, size_column = st.columns([1.15, 2, 1], gap="medium")
    kind = kind_column.segmented_control(
        "Slice from", ["Sample", "Upload", "Data set"], default="Sample", required=True
    )
    size = size_column.selectbox(
        "Input of the network",
        INPUT_SIZES,
        index=INPUT_SIZES.index(Preprocessing().size),
        format_func=lambda side: f"{side} × {side} pixels",
        help="Training shrinks every slice to this size before it is changed.",
    )
    crop = size_column.toggle("Crop to the bone", Preprocessing().bone_crop)
    preprocessing = Preprocessing(size=size, bone_crop=crop)
    with slice_column:
        if kind == "Sample":
            return _choose_sample(preprocessing)
        return (
            _choose_upload(preprocessing)
            if kind == "Upload"
            else _choose_from_dataset(preprocessing)
        )


def _choose_sample(preprocessing: Preprocessing) -> PreviewSlice:
    chosen = st.selectbox("Sample", samples.list_samples(), format_func=samples.Sample.describe)
    ct, pixels = _read_and_preprocess(chosen.path.read_bytes(), None, preprocessing)
    return PreviewSlice(ct, pixels, preprocessing, chosen.path.name)


def _choose_upload(preprocessing: Preprocessing) -> PreviewSlice | None:
    upload = st.file_uploader(
        "CT slice: DICOM, PNG, JPEG, TIFF, BMP or a NIfTI volume",
        key="augmentation-upload",
        help="The file stays in this machine's memory and is gone with the session.",
    )
    if upload is None:
        return None
    content = upload.getvalue()
    ct, pixels = _read_and_preprocess(content, None, preprocessing)
    if ct.slice_count > 1:
        position = st.slider("Slice of the volume", 1, ct.slice_count, ct.slice_index + 1)
        ct, pixels = _read_and_preprocess(content, position - 1, preprocessing)
    return PreviewSlice(ct, pixels, preprocessing)


def _choose_from_dataset(preprocessing: Preprocessing) -> PreviewSlice | None:
    roots = settings.data_roots()
    folders = data_roots.list_dataset_folders(roots)
    if not folders:
        st.info(
            "There is no data set in the folders that this app may read: "
            f"{layout.escape_markdown(', '.join(map(str, roots)))}. Put one there, or add its parent "
            "folder to SPINEFRAC\\_DATA\\_ROOTS.",
            icon=":material/folder_off:",
        )
        return None
    where, which = st.columns([2, 1])
    chosen = where.selectbox(
        "Data set", [data_roots.display_path(folder, roots) for folder in folders]
    )
    folder = data_roots.resolve_folder(chosen, roots)
    order = _load_training_order(str(folder))
    number = which.number_input(
        f"Slice, 1 to {len(order.paths):,}",
        1,
        len(order.paths),
        help="In the order in which training numbers them: sorted by path.",
    )
    path = order.paths[number - 1]
    ct, pixels = _read_dataset_slice(str(folder), path, _get_mtime_ns(folder / path), preprocessing)
    doubt = "" if order.is_exact else " (if every file before it can be read)"
    note = f"{path} · slice {number:,} of {len(order.paths):,}{doubt}"
    return PreviewSlice(ct, pixels, preprocessing, Path(path).name, number - 1, folder, note)


@st.cache_data(max_entries=6, show_spinner="Reading the slice…", scope="session")
def _read_and_preprocess(
    content: bytes, position: int | None, preprocessing: Preprocessing
) -> tuple[CtSlice, GreyImage]:
    ct = imaging.read(content, slice_index=position)
    return ct, imaging.to_input(ct, preprocessing).pixels


@st.cache_data(max_entries=4, ttl=60, show_spinner="Listing the slices…")
def _load_training_order(folder: str) -> TrainingOrder:
    return preview.list_training_order(folder)


def _get_mtime_ns(path: Path) -> int:
    """Return what changes when a file is written to; 0 where it is gone, which reading says."""
    return path.stat().st_mtime_ns if path.is_file() else 0


@st.cache_data(max_entries=6, show_spinner="Reading the slice…", scope="session")
def _read_dataset_slice(
    folder: str, path: str, mtime_ns: int, preprocessing: Preprocessing
) -> tuple[CtSlice, GreyImage]:
    ct = data_roots.read_slice(Path(folder), path)
    return ct, imaging.to_input(ct, preprocessing).pixels
