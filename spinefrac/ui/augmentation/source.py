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

SIZES = (96, 128, 160, 224, 320, 512)


@dataclass(frozen=True)
class Shown:
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


def choose() -> Shown | None:
    """Let the user choose a slice and how it is prepared; None while there is none."""
    kind_column, slice_column, size_column = st.columns([1.15, 2, 1], gap="medium")
    kind = kind_column.segmented_control(
        "Slice from", ["Sample", "Upload", "Data set"], default="Sample", required=True
    )
    size = size_column.selectbox(
        "Input of the network",
        SIZES,
        index=SIZES.index(Preprocessing().size),
        format_func=lambda side: f"{side} × {side} pixels",
        help="Training shrinks every slice to this size before it is changed.",
    )
    crop = size_column.toggle("Crop to the bone", Preprocessing().bone_crop)
    preprocessing = Preprocessing(size=size, bone_crop=crop)
    with slice_column:
        if kind == "Sample":
            return _sample(preprocessing)
        return _upload(preprocessing) if kind == "Upload" else _of_data_set(preprocessing)


def _sample(preprocessing: Preprocessing) -> Shown:
    chosen = st.selectbox("Sample", samples.samples(), format_func=samples.Sample.line)
    ct, pixels = _prepared(chosen.path.read_bytes(), None, preprocessing)
    return Shown(ct, pixels, preprocessing, chosen.path.name)


def _upload(preprocessing: Preprocessing) -> Shown | None:
    upload = st.file_uploader(
        "CT slice: DICOM, PNG, JPEG, TIFF, BMP or a NIfTI volume",
        key="augmentation-upload",
        help="The file stays in this machine's memory and is gone with the session.",
    )
    if upload is None:
        return None
    content = upload.getvalue()
    ct, pixels = _prepared(content, None, preprocessing)
    if ct.count > 1:
        position = st.slider("Slice of the volume", 1, ct.count, ct.position + 1)
        ct, pixels = _prepared(content, position - 1, preprocessing)
    return Shown(ct, pixels, preprocessing)


def _of_data_set(preprocessing: Preprocessing) -> Shown | None:
    roots = settings.data_roots()
    folders = data_roots.folders_below(roots)
    if not folders:
        st.info(
            "There is no data set in the folders that this app may read: "
            f"{layout.plain(', '.join(map(str, roots)))}. Put one there, or add its parent "
            "folder to SPINEFRAC\\_DATA\\_ROOTS.",
            icon=":material/folder_off:",
        )
        return None
    where, which = st.columns([2, 1])
    chosen = where.selectbox("Data set", [data_roots.shown(folder, roots) for folder in folders])
    folder = data_roots.allowed_folder(chosen, roots)
    order = _order(str(folder))
    number = which.number_input(
        f"Slice, 1 to {len(order.paths):,}",
        1,
        len(order.paths),
        help="In the order in which training numbers them: sorted by path.",
    )
    path = order.paths[number - 1]
    ct, pixels = _of_folder(str(folder), path, _stamp(folder / path), preprocessing)
    doubt = "" if order.certain else " (if every file before it can be read)"
    note = f"{path} · slice {number:,} of {len(order.paths):,}{doubt}"
    return Shown(ct, pixels, preprocessing, Path(path).name, number - 1, folder, note)


@st.cache_data(max_entries=6, show_spinner="Reading the slice…", scope="session")
def _prepared(
    content: bytes, position: int | None, preprocessing: Preprocessing
) -> tuple[CtSlice, GreyImage]:
    ct = imaging.read(content, position=position)
    return ct, imaging.to_input(ct, preprocessing).pixels


@st.cache_data(max_entries=4, ttl=60, show_spinner="Listing the slices…")
def _order(folder: str) -> TrainingOrder:
    return preview.training_order(folder)


def _stamp(path: Path) -> int:
    """Return what changes when a file is written to; 0 where it is gone, which reading says."""
    return path.stat().st_mtime_ns if path.is_file() else 0


@st.cache_data(max_entries=6, show_spinner="Reading the slice…", scope="session")
def _of_folder(
    folder: str, path: str, stamp: int, preprocessing: Preprocessing
) -> tuple[CtSlice, GreyImage]:
    ct = data_roots.read_slice(Path(folder), path)
    return ct, imaging.to_input(ct, preprocessing).pixels
