"""What to answer on: files of the user's or a bundled sample, and which of several scans."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from spinefrac.errors import ImageError
from spinefrac.imaging import collect as files
from spinefrac.imaging import series_grouping as series
from spinefrac.imaging.collect import SourceFile
from spinefrac.imaging.series_grouping import Series, SeriesGrouping, SeriesSlice
from spinefrac.records import Unreadable
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import metric_tables, samples

#: How files can be brought: the label of the drop zone, and what Streamlit's uploader accepts.
UPLOAD_MODES: dict[str, tuple[str, bool | str]] = {
    "One file": ("CT slice, NIfTI volume or ZIP: DICOM, PNG, JPEG, TIFF, BMP, NIfTI", False),
    "Several files": ("Slices of a series, or pictures to go through one by one", True),
    "A folder": ("A folder, with all folders in it", "directory"),
}
PLANE_AXES = {"Axial": 2, "Coronal": 1, "Sagittal": 0}


@dataclass(frozen=True)
class InputFiles:
    """Files to answer on; `true_label` is known for bundled samples only.

    `key` tells one choice from another.
    """

    key: str
    files: tuple[SourceFile, ...]
    true_label: str = ""


@dataclass(frozen=True)
class SliceSet:
    """What is looked at: the slices of a series, one slice, or slices that do not belong together.

    `key` tells one subject from another, `series` is None where the slices are no series.
    """

    key: str
    slices: tuple[SeriesSlice, ...]
    series: Series | None = None
    unreadable: tuple[Unreadable, ...] = ()
    true_label: str = field(default="", compare=False)


def choose_files(model: SavedModel) -> InputFiles | None:
    """Let the user bring files or click a sample; whichever came last counts.

    Before the choice the samples are large and the model's record stands beside them; after
    it both make room for the answer.
    """
    state = st.session_state
    way = state.get("upload-mode") or next(iter(UPLOAD_MODES))
    key = f"upload-{way}-{state.setdefault('upload-generation', 0)}"
    fresh = state.get("selected-sample") is None and not state.get(key)
    left, right = st.columns([1.1, 1] if fresh else [1, 1.4], gap="medium")
    with left:
        _choose_upload_mode()
        label, several = UPLOAD_MODES[way]
        upload = st.file_uploader(
            label,
            key=key,
            accept_multiple_files=several,  # type: ignore[call-overload]
            on_change=state.pop,
            args=("selected-sample", None),
            help="The content decides, not the name: DICOM files need no extension. "
            "Files stay in this machine's memory and are gone with the session.",
        )
    if fresh:
        right.html(
            metric_tables.render_performance(model) + metric_tables.render_model_summary(model)
        )
    with left if fresh else right:
        st.html('<div class="sf-label">Or a synthetic sample that the model has not seen</div>')
        clicked = samples.show_gallery(state.get("selected-sample"), large=fresh)
    if clicked is not None:
        state["selected-sample"] = clicked
        state["upload-generation"] += 1  # a new key empties the uploader
        st.rerun()
    if uploads := upload if isinstance(upload, list) else [upload] if upload else []:
        return InputFiles(
            "/".join(one.file_id for one in uploads),
            tuple(files.file_from_bytes(one.name, one.getvalue()) for one in uploads),
        )
    sample = state.get("selected-sample")
    if sample is None:
        return None
    return InputFiles(sample.path.name, (files.file_from_path(sample.path),), sample.true_label)


def _choose_upload_mode() -> None:
    st.segmented_control(
        "What to bring",
        list(UPLOAD_MODES),
        default=next(iter(UPLOAD_MODES)),
        key="upload-mode",
        label_visibility="collapsed",
        on_change=st.session_state.pop,
        args=("selected-sample", None),
    )


def choose_slice_set(input_files: InputFiles) -> SliceSet | None:
    """Find out what was brought and, where it is several things, let the user pick one.

    Raises
    ------
    ImageError
        If nothing of it can be read.
    """
    found = _group_into_series(input_files)
    subjects = {f"{one.name} · {len(one)} slices": one for one in found.series}
    names = list(subjects)
    if found.single_slices:
        names.append(f"Single slices · {len(found.single_slices)}")
    if not names:
        if len(found.unreadable) == 1:
            only = found.unreadable[0]
            raise ImageError(only.reason.removeprefix(f"{only.path}: "))
        _show_unreadable_files(found.unreadable, "None of the files can be read")
        return None
    name = names[0]
    if len(names) > 1:
        name = st.selectbox("Look at", names, key=f"series-choice-{input_files.key[:64]}") or name
    if name not in subjects:
        return SliceSet(
            f"{input_files.key}|singles",
            found.single_slices,
            None,
            found.unreadable,
            input_files.true_label,
        )
    if found.unreadable:
        count = len(found.unreadable)
        _show_unreadable_files(found.unreadable, f"{count:,} file{'s' * (count > 1)} left out")
    one = subjects[name]
    if one.volume_file is None:
        return SliceSet(f"{input_files.key}|{name}", one.slices, one)
    plane = st.segmented_control("Plane", list(PLANE_AXES), default="Axial", key="plane") or "Axial"
    cut = _reslice_volume(input_files.key, name, PLANE_AXES[plane], one)
    return SliceSet(f"{input_files.key}|{name}|{plane}", cut.slices, cut)


def _show_unreadable_files(unreadable: tuple[Unreadable, ...], title: str) -> None:
    with st.expander(title, icon=":material/warning:"):
        st.dataframe(
            [{"File": entry.path, "Reason": entry.reason} for entry in unreadable],
            width="stretch",
            hide_index=True,
        )


def _group_into_series(input_files: InputFiles) -> SeriesGrouping:
    """Look at the headers once a choice; a new choice meanwhile stops it."""
    state = st.session_state
    if state.get("series-grouping", ("",))[0] != input_files.key:
        state.pop("series-grouping", None)
        place = st.empty()
        with place.container():
            bar = st.progress(0.0, "Opening…")
            brought = files.collect_files(input_files.files)
            step = max(1, len(brought.files) // 50)

            def tell(done: int, total: int) -> None:
                if done % step == 0:
                    bar.progress(done / max(total, 1), f"Looking at file {done + 1:,} of {total:,}")

            found = series.group_into_series(brought.files, progress=tell)
        place.empty()
        unreadable = (*brought.unreadable, *found.unreadable)
        state["series-grouping"] = (
            input_files.key,
            SeriesGrouping(found.series, found.single_slices, unreadable),
        )
    return state["series-grouping"][1]


@st.cache_resource(max_entries=3, show_spinner=False, scope="session")
def _reslice_volume(key: str, name: str, axis: int, _volume: Series) -> Series:
    """Return a volume along another axis; what was unpacked for one axis serves all."""
    assert _volume.volume_file is not None
    return _volume if axis == 2 else series.series_from_volume(_volume.volume_file, axis)
