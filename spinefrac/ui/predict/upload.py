"""The input of the page: uploaded files or a bundled sample, and which of several series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import streamlit as st

from spinefrac import wording
from spinefrac.errors import ImageError
from spinefrac.imaging import collect as files
from spinefrac.imaging import series_grouping
from spinefrac.imaging.collect import SourceFile
from spinefrac.imaging.series_grouping import Series, SeriesGrouping, SeriesSlice
from spinefrac.records import Unreadable
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, metric_tables, samples, session

#: What can be uploaded: the label of the uploader, and what `st.file_uploader` accepts.
UPLOAD_MODES: dict[str, tuple[str, bool | Literal["directory"]]] = {
    "One file": ("One file: DICOM, PNG, JPEG, TIFF, BMP, NIfTI or ZIP", False),
    "Several files": ("Several slices: one series, or single images", True),
    "A folder": ("A folder with its subfolders", "directory"),
}
#: Plane: the axis of a volume that it is perpendicular to.
PLANE_AXES = {"Axial": 2, "Coronal": 1, "Sagittal": 0}

#: A longer list of unreadable files scrolls.
_MANY_FILES = 8

_SAMPLE_KEY = "selected-sample"
#: The address names the sample, so that a reload and a link show it again.
_SAMPLE_PARAMETER = "sample"
#: Counts up to empty the uploader: a widget with a new key is a new widget.
_GENERATION_KEY = "upload-generation"


@dataclass(frozen=True)
class InputFiles:
    """Files to predict.

    Attributes
    ----------
    key : str
        Distinguishes this input from others.
    files : tuple of SourceFile
    true_label : str
        Known for bundled samples only.
    """

    key: str
    files: tuple[SourceFile, ...]
    true_label: str = ""


@dataclass(frozen=True)
class SliceSet:
    """What the page shows: the slices of a series, one slice, or slices of no common series.

    Attributes
    ----------
    key : str
        Distinguishes this set from others.
    slices : tuple of SeriesSlice
    series : Series or None
        None where the slices are no series.
    unreadable : tuple of Unreadable
        Files without a slice; only where the slices are no series.
    true_label : str
        Known for bundled samples only.
    """

    key: str
    slices: tuple[SeriesSlice, ...]
    series: Series | None = None
    unreadable: tuple[Unreadable, ...] = ()
    true_label: str = field(default="", compare=False)

    @property
    def is_sample(self) -> bool:
        """Whether it is a bundled sample, the same for everybody."""
        return bool(self.true_label)


def choose_files(model: SavedModel) -> InputFiles | None:
    """Let the user upload files or click a sample; the last choice counts.

    Before the choice the samples are large and the model's performance stands beside them;
    after it both make room for the prediction.
    """
    state = st.session_state
    mode = state.get("upload-mode") or next(iter(UPLOAD_MODES))
    key = f"upload-{mode}-{state.setdefault(_GENERATION_KEY, 0)}"
    if _SAMPLE_KEY not in state:  # a new session, as after a reload
        state[_SAMPLE_KEY] = samples.find_sample(st.query_params.get(_SAMPLE_PARAMETER, ""))
    is_empty = state.get(_SAMPLE_KEY) is None and not state.get(key)
    left, right = st.columns([1.1, 1] if is_empty else [1, 1.4], gap="medium")
    with left:
        uploaded = _upload(mode, key)
    if is_empty:
        right.html(
            metric_tables.render_performance(model) + metric_tables.render_model_summary(model)
        )
    with left if is_empty else right:
        layout.show_label("Or choose a synthetic sample (not used for training)")
        clicked = samples.show_gallery(state.get(_SAMPLE_KEY), large=is_empty)
    if clicked is not None:
        state[_SAMPLE_KEY] = clicked
        state[_GENERATION_KEY] += 1
        st.rerun()
    sample = None if uploaded else state.get(_SAMPLE_KEY)
    _write_address(sample)
    if sample is None:
        return uploaded
    return InputFiles(sample.path.name, (files.file_from_path(sample.path),), sample.true_label)


def _write_address(sample: samples.Sample | None) -> None:
    """Have the address name the sample, or none."""
    if sample is not None:
        st.query_params[_SAMPLE_PARAMETER] = sample.path.stem
    else:
        st.query_params.pop(_SAMPLE_PARAMETER, None)


def _forget_sample() -> None:
    st.session_state[_SAMPLE_KEY] = None


def _upload(mode: str, key: str) -> InputFiles | None:
    """Show the uploader; return what was uploaded. A change discards the selected sample."""
    st.segmented_control(
        "Input",
        list(UPLOAD_MODES),
        default=next(iter(UPLOAD_MODES)),
        key="upload-mode",
        label_visibility="collapsed",
        on_change=_forget_sample,
    )
    label, accept_multiple_files = UPLOAD_MODES[mode]
    uploaded = st.file_uploader(
        label,
        key=key,
        accept_multiple_files=accept_multiple_files,
        on_change=_forget_sample,
        help="The format is detected from the content, so DICOM files need no extension. "
        "Files are kept in memory only and are deleted when the session ends.",
    )
    uploads = uploaded if isinstance(uploaded, list) else [uploaded] if uploaded else []
    session.hold_uploads("uploads", *uploads)
    if not uploads:
        return None
    owner = session.get_owner()
    return InputFiles(
        "/".join(upload.file_id for upload in uploads),
        tuple(files.file_from_bytes(upload.name, upload.getvalue(), owner) for upload in uploads),
    )


def choose_slice_set(input_files: InputFiles) -> SliceSet | None:
    """Group the files into series and, where there are several, let the user pick one.

    Returns
    -------
    SliceSet or None
        None where several files were given and none can be read; the page then lists them.

    Raises
    ------
    ImageError
        The only file cannot be read.
    """
    grouping = _group_into_series(input_files)
    series_by_name = {f"{one.name} · {len(one)} slices": one for one in grouping.series}
    names = list(series_by_name)
    if grouping.single_slices:
        names.append(f"Single slices · {len(grouping.single_slices)}")
    if not names:
        if not grouping.unreadable:
            raise ImageError("expected slices, got files that systems leave; choose other files")
        if len(grouping.unreadable) == 1:
            only = grouping.unreadable[0]
            raise ImageError(only.reason.removeprefix(f"{only.path}: "))
        _show_unreadable_files(grouping.unreadable, "None of the files can be read", is_open=True)
        return None
    name = names[0]
    if len(names) > 1:
        name = st.selectbox("Series", names, key=f"series-choice-{input_files.key[:64]}") or name
    if name not in series_by_name:
        return SliceSet(
            f"{input_files.key}|singles",
            grouping.single_slices,
            None,
            grouping.unreadable,
            input_files.true_label,
        )
    if grouping.unreadable:
        count = wording.format_count(len(grouping.unreadable), "file")
        _show_unreadable_files(grouping.unreadable, f"{count} skipped (unreadable)")
    return _choose_plane(f"{input_files.key}|{name}", series_by_name[name])


def _choose_plane(key: str, series: Series) -> SliceSet:
    """Return the slices of a series; those of a volume along the axis that the user chooses."""
    if series.volume_file is None:
        return SliceSet(key, series.slices, series)
    plane = st.segmented_control("Plane", list(PLANE_AXES), default="Axial", key="plane") or "Axial"
    resliced = _reslice_volume(key, PLANE_AXES[plane], series)
    return SliceSet(f"{key}|{plane}", resliced.slices, resliced)


def _show_unreadable_files(
    unreadable: tuple[Unreadable, ...], title: str, *, is_open: bool = False
) -> None:
    """List files with the reason, which wraps so that it can be read on a phone."""
    rows = [(one.path, one.reason.removeprefix(f"{one.path}: ")) for one in unreadable]
    with (
        st.expander(title, expanded=is_open, icon=":material/warning:"),
        st.container(height=320 if len(unreadable) > _MANY_FILES else "content", border=False),
    ):
        layout.show_table(("File", "Reason"), rows)


def _group_into_series(input_files: InputFiles) -> SeriesGrouping:
    """Read the headers once for each input; another input meanwhile stops it."""
    state = st.session_state
    if state.get("series-grouping", ("",))[0] != input_files.key:
        state.pop("series-grouping", None)
        place = st.empty()
        with place.container():
            bar = st.progress(0.0, "Reading files…")
            collected = files.collect_files(input_files.files)
            step = max(1, len(collected.files) // 50)

            def show_progress(done: int, total: int) -> None:
                if done % step == 0:
                    bar.progress(done / max(total, 1), f"Reading file {done + 1:,} of {total:,}")

            grouping = series_grouping.group_into_series(collected.files, progress=show_progress)
        place.empty()
        unreadable = (*collected.unreadable, *grouping.unreadable)
        state["series-grouping"] = (
            input_files.key,
            SeriesGrouping(grouping.series, grouping.single_slices, unreadable),
        )
    return state["series-grouping"][1]


@st.cache_resource(max_entries=3, show_spinner=False, scope="session")
def _reslice_volume(key: str, axis: int, _volume: Series) -> Series:
    """Return a volume along another axis; it is decompressed once for all axes."""
    assert _volume.volume_file is not None
    return _volume if axis == 2 else series_grouping.series_from_volume(_volume.volume_file, axis)
