"""What to answer on: files of the user's or a bundled sample, and which of several scans."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from spinefrac.errors import ImageError
from spinefrac.imaging import collect as files
from spinefrac.imaging import series_grouping as series
from spinefrac.imaging.collect import SourceFile
from spinefrac.imaging.series_grouping import Arranged, Series, SeriesSlice
from spinefrac.records import Unreadable
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import metric_tables, samples

#: How files can be brought: the label of the drop zone, and what Streamlit's uploader accepts.
WAYS: dict[str, tuple[str, bool | str]] = {
    "One file": ("CT slice, NIfTI volume or ZIP: DICOM, PNG, JPEG, TIFF, BMP, NIfTI", False),
    "Several files": ("Slices of a series, or pictures to go through one by one", True),
    "A folder": ("A folder, with all folders in it", "directory"),
}
AXES = {"Axial": 2, "Coronal": 1, "Sagittal": 0}


@dataclass(frozen=True)
class Chosen:
    """Files to answer on; `truth` is known for bundled samples only.

    `key` tells one choice from another.
    """

    key: str
    files: tuple[SourceFile, ...]
    truth: str = ""


@dataclass(frozen=True)
class Subject:
    """What is looked at: the slices of a series, one slice, or slices that do not belong together.

    `key` tells one subject from another, `series` is None where the slices are no series.
    """

    key: str
    slices: tuple[SeriesSlice, ...]
    series: Series | None = None
    unreadable: tuple[Unreadable, ...] = ()
    truth: str = field(default="", compare=False)


def choose(saved: SavedModel) -> Chosen | None:
    """Let the user bring files or click a sample; whichever came last counts.

    Before the choice the samples are large and the model's record stands beside them; after
    it both make room for the answer.
    """
    state = st.session_state
    way = state.get("way") or next(iter(WAYS))
    key = f"upload-{way}-{state.setdefault('uploads', 0)}"
    fresh = state.get("sample") is None and not state.get(key)
    left, right = st.columns([1.1, 1] if fresh else [1, 1.4], gap="medium")
    with left:
        _way()
        label, several = WAYS[way]
        upload = st.file_uploader(
            label,
            key=key,
            accept_multiple_files=several,  # type: ignore[call-overload]
            on_change=state.pop,
            args=("sample", None),
            help="The content decides, not the name: DICOM files need no extension. "
            "Files stay in this machine's memory and are gone with the session.",
        )
    if fresh:
        right.html(metric_tables.record(saved) + metric_tables.about(saved))
    with left if fresh else right:
        st.html('<div class="sf-label">Or a synthetic sample that the model has not seen</div>')
        clicked = samples.gallery(state.get("sample"), large=fresh)
    if clicked is not None:
        state["sample"] = clicked
        state["uploads"] += 1  # a new key empties the uploader
        st.rerun()
    if uploads := upload if isinstance(upload, list) else [upload] if upload else []:
        return Chosen(
            "/".join(one.file_id for one in uploads),
            tuple(files.from_bytes(one.name, one.getvalue()) for one in uploads),
        )
    sample = state.get("sample")
    if sample is None:
        return None
    return Chosen(sample.path.name, (files.from_path(sample.path),), sample.truth)


def _way() -> None:
    st.segmented_control(
        "What to bring",
        list(WAYS),
        default=next(iter(WAYS)),
        key="way",
        label_visibility="collapsed",
        on_change=st.session_state.pop,
        args=("sample", None),
    )


def pick(chosen: Chosen) -> Subject | None:
    """Find out what was brought and, where it is several things, let the user pick one.

    Raises
    ------
    ImageError
        If nothing of it can be read.
    """
    found = _arranged(chosen)
    subjects = {f"{one.name} · {len(one)} slices": one for one in found.series}
    names = list(subjects)
    if found.singles:
        names.append(f"Single slices · {len(found.singles)}")
    if not names:
        if len(found.unreadable) == 1:
            only = found.unreadable[0]
            raise ImageError(only.reason.removeprefix(f"{only.path}: "))
        _left_out(found.unreadable, "None of the files can be read")
        return None
    name = names[0]
    if len(names) > 1:
        name = st.selectbox("Look at", names, key=f"subject-{chosen.key[:64]}") or name
    if name not in subjects:
        return Subject(f"{chosen.key}|singles", found.singles, None, found.unreadable, chosen.truth)
    if found.unreadable:
        count = len(found.unreadable)
        _left_out(found.unreadable, f"{count:,} file{'s' * (count > 1)} left out")
    one = subjects[name]
    if one.volume is None:
        return Subject(f"{chosen.key}|{name}", one.slices, one)
    plane = st.segmented_control("Plane", list(AXES), default="Axial", key="plane") or "Axial"
    cut = _cut(chosen.key, name, AXES[plane], one)
    return Subject(f"{chosen.key}|{name}|{plane}", cut.slices, cut)


def _left_out(unreadable: tuple[Unreadable, ...], title: str) -> None:
    with st.expander(title, icon=":material/warning:"):
        st.dataframe(
            [{"File": entry.path, "Reason": entry.reason} for entry in unreadable],
            width="stretch",
            hide_index=True,
        )


def _arranged(chosen: Chosen) -> Arranged:
    """Look at the headers once a choice; a new choice meanwhile stops it."""
    state = st.session_state
    if state.get("arranged", ("",))[0] != chosen.key:
        state.pop("arranged", None)
        place = st.empty()
        with place.container():
            bar = st.progress(0.0, "Opening…")
            brought = files.bring(chosen.files)
            step = max(1, len(brought.files) // 50)

            def tell(done: int, total: int) -> None:
                if done % step == 0:
                    bar.progress(done / max(total, 1), f"Looking at file {done + 1:,} of {total:,}")

            found = series.arrange(brought.files, progress=tell)
        place.empty()
        unreadable = (*brought.unreadable, *found.unreadable)
        state["arranged"] = (chosen.key, Arranged(found.series, found.singles, unreadable))
    return state["arranged"][1]


@st.cache_resource(max_entries=3, show_spinner=False, scope="session")
def _cut(key: str, name: str, axis: int, _volume: Series) -> Series:
    """Return a volume along another axis; what was unpacked for one axis serves all."""
    assert _volume.volume is not None
    return _volume if axis == 2 else series.volume(_volume.volume, axis)
