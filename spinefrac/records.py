"""Frozen dataclasses that several packages share, with shapes and units.

This module imports nothing of spinefrac; every other module may import it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from msgspec import Meta

#: Names of the classes; the index is the label (0 or 1) everywhere.
CLASS_NAMES = ("no fracture", "fracture")

#: Shown wherever a prediction is shown.
NOT_A_MEDICAL_DEVICE = (
    "Not a medical device: for research and teaching only, never for a decision about a patient."
)

#: Types with the range that `spinefrac.system.reading.convert` holds values of files to. Numbers in
#: JSON are finite.
Count = Annotated[int, Meta(ge=0, le=2**53)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
#: A threshold for "no slice" lies just above the highest probability.
Threshold = Annotated[float, Meta(ge=0.0, le=1.001)]
NotNegative = Annotated[float, Meta(ge=0.0)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

FloatImage = npt.NDArray[np.float32]
GreyImage = npt.NDArray[np.uint8]


# --- imaging ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CtSlice:
    """One slice as stored in its file, before any model's preprocessing.

    Attributes
    ----------
    pixels : float32 array, shape (H, W)
        Hounsfield units where `calibrated`, otherwise grey values in 0…255.
    calibrated : bool
        Whether `pixels` are Hounsfield units (DICOM CT, NIfTI) or grey values of a windowed image.
    format : str
        ``png``, ``jpeg``, ``tiff``, ``bmp``, ``dicom`` or ``nifti``.
    bits : int
        Bits stored per sample.
    colour : bool
        Whether the file's colour channels differ, which they do in no CT slice.
    spacing_mm : (row, column) or None
        Distance of pixel centres in millimetres.
    window : (centre, width) or None
        The file's own first window, in Hounsfield units.
    slice_index, slice_count : int
        Which slice of how many the file holds (0 of 1 for everything but NIfTI and
        multi-frame DICOM).
    modality : str
        Modality of the DICOM header, such as ``CT`` or ``MR``.
    plane : str
        ``axial``, ``coronal`` or ``sagittal`` by the DICOM header; empty where it is unknown.
    implausible : str
        Why the values are not Hounsfield units though the file's kind has them, as a phrase;
        empty where they are, and for images.
    """

    pixels: FloatImage
    calibrated: bool
    format: str
    bits: int = 8
    colour: bool = False
    spacing_mm: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    slice_index: int = 0
    slice_count: int = 1
    modality: str = ""
    plane: str = ""
    implausible: str = ""


@dataclass(frozen=True, slots=True)
class SliceTags:
    """Patient, study, series and position of a DICOM header; all empty for other formats.

    `position_mm` is ImagePositionPatient along the normal of the slice, or along z where the
    header has no orientation.
    """

    patient_id: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    frame_of_reference_uid: str = ""
    instance_number: int | None = None
    position_mm: float | None = None


#: The bone window, where neither a file nor a person names another: centre and width in
#: Hounsfield units. `spinefrac.imaging.hounsfield` has it among all presets.
BONE_WINDOW = (500.0, 2000.0)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a slice becomes a model's input. Saved in the model's card, applied by `imaging`.

    Attributes
    ----------
    size : int
        Side S of the square input, in pixels.
    window_center, window_width : float
        Window for calibrated slices, in Hounsfield units.
    bone_crop : bool
        Whether to crop to the bone region before the resize.
    """

    size: Annotated[int, Meta(ge=1, le=4096)] = 224
    window_center: Annotated[float, Meta(ge=-1e6, le=1e6)] = BONE_WINDOW[0]
    window_width: Annotated[float, Meta(gt=0.0, le=1e6)] = BONE_WINDOW[1]
    bone_crop: bool = True

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Square:
    """The square of the slice that a model's input shows, in the slice's own pixels.

    It may reach past the slice's border; there the input is padded with black.
    """

    top: int
    left: int
    side: int


@dataclass(frozen=True, slots=True)
class ModelInput:
    """A slice as the network sees it: `pixels` uint8, shape (S, S), cut from `square`."""

    pixels: GreyImage
    square: Square


# --- data ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled slice of a data set.

    Attributes
    ----------
    path : str
        Relative to the data set's root, with forward slashes.
    label : int
        Index into `CLASS_NAMES`.
    group : str
        What a fold must not split: a patient, a series, or merged duplicates.
    split : str
        ``train``, ``val`` or ``test`` where the folder has such a level, else empty.
    pixel_hash : str
        SHA-256 of the decoded pixels and their shape, hexadecimal.
    size : str
        ``512×512``.
    scanner : str
        Maker, model, kernel and kV of a DICOM header; empty for other formats.
    series : str
        From the header (as a pseudonym) or the name; empty where neither has it.
    position : int
        Place among the slices of its series, from 1; see `spinefrac.slice_order`.
    calibrated : bool or None
        Whether the file holds Hounsfield units; None where that was not recorded.
    scan : str
        Its scan, where the table of labels is one of scans; else empty.
    bag : str
        The scan or level that the label is of, and not of the slice; else empty. With the label
        fracture, one of its slices at least shows it.
    """

    path: str
    label: int
    group: str
    split: str = ""
    pixel_hash: str = ""
    size: str = ""
    scanner: str = ""
    series: str = ""
    position: int = 0
    calibrated: bool | None = None
    scan: str = ""
    bag: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A scanned folder. `items` are sorted by path, so that indices are stable.

    `notes` count what was left out or merged; `details` name it, for the user's own screen only.
    """

    root: Path
    items: tuple[Item, ...]
    group_rule: str
    fingerprint: str
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Labels, shape (N,)."""
        return np.array([item.label for item in self.items], dtype=np.int64)

    @property
    def groups(self) -> npt.NDArray[np.str_]:
        """Group names, shape (N,)."""
        return np.array([item.group for item in self.items], dtype=np.str_)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths relative to the root, length N."""
        return tuple(item.path for item in self.items)

    @property
    def positions(self) -> tuple[int, ...]:
        """Place of each slice in its series, from 1, length N."""
        return tuple(item.position for item in self.items)

    @property
    def is_of_scans(self) -> bool:
        """Whether the labels are of scans, of levels or of slices of scans."""
        return any(item.scan for item in self.items)

    @property
    def has_bags(self) -> bool:
        """Whether labels are of scans or levels, so that slices have none of their own."""
        return any(item.bag for item in self.items)

    @property
    def subgroups(self) -> dict[str, tuple[str, ...]]:
        """Size, scanner and series of each slice, length N, where they differ."""
        columns = {
            name: tuple(getattr(item, name) or "unknown" for item in self.items)
            for name in ("size", "scanner", "series")
        }
        return {name: values for name, values in columns.items() if len(set(values)) > 1}


# --- training --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of one fold, as the history, the log and the pages know it.

    `val_loss` and `val_auc` are of the held-out fold: shown, never chosen from.
    """

    fold: int
    epoch: int
    loss: float
    val_loss: float
    val_auc: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What one trained fold leaves behind.

    `rows` (n,) are indices into the data set that the fold held out; `logits` (n,) are its
    outputs there.
    """

    fold: int
    weights: Path
    rows: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]
    history: tuple[EpochRecord, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class OutOfFoldPredictions:
    """The prediction for each slice by the network that never saw its patient. Shapes (N,).

    By `pixel_hashes` (`Item.pixel_hash`) a slice is later recognised as trained on, and
    `positions` (`Item.position`) put the slices of a series in order; both are empty where they
    were not saved. `subgroups` are further columns, see `Dataset.subgroups`.
    """

    paths: tuple[str, ...]
    groups: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64]
    pixel_hashes: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()
    subgroups: dict[str, tuple[str, ...]] = field(default_factory=dict)


# --- inference -------------------------------------------------------------------------


#: Grades of the input check, in JSON and in the history.
LIKE, UNUSUAL, UNLIKE = "like", "unusual", "unlike"


@dataclass(frozen=True, slots=True)
class NearestSlice:
    """A training slice that resembles another slice.

    Attributes
    ----------
    patient : int
        A number, from 1, that stands for the patient within this model.
    label : int
    probability : float
        Of fracture, out-of-fold.
    distance : float
        In standard deviations of the training slices' principal components.
    """

    patient: int
    label: int
    probability: float
    distance: float


@dataclass(frozen=True, slots=True)
class InputCheck:
    """Whether a slice is like what the model was trained on.

    Attributes
    ----------
    score : float
        Percentile (0…100) of its distance among the training slices.
    typical : bool
        Whether it is in distribution, grade ``like``.
    reason : str
        Why not, and empty where it is.
    grade : str
        `LIKE`, `UNUSUAL` or `UNLIKE`: what is unusual needs review by a reader, and no prediction
        is shown for what is unlike unless someone asks for it. By default as `typical` says.
    nearest : tuple of NearestSlice
        The training slices that it resembles most, the nearest first; empty where unknown.
    """

    score: float
    typical: bool
    reason: str = ""
    grade: str = ""
    nearest: tuple[NearestSlice, ...] = ()

    def __post_init__(self) -> None:
        if not self.grade:
            object.__setattr__(self, "grade", LIKE if self.typical else UNLIKE)

    @property
    def is_unlike(self) -> bool:
        """Whether a prediction says nothing, because the slice is unlike the training slices."""
        return self.grade == UNLIKE

    @property
    def is_unusual(self) -> bool:
        """Whether a prediction is shown, but needs review by a reader."""
        return self.grade == UNUSUAL


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's prediction for one slice.

    Attributes
    ----------
    model : str
        Id of the saved model.
    probability : float
        Calibrated probability of fracture.
    threshold : float
        At or above it the label is ``fracture``.
    fold_probabilities : tuple of float
        The calibrated probability of each fold's network, for their disagreement.
    heatmap : float32 array, shape (H, W), or None
        Contribution to the logit, in the slice's own pixels; positive speaks for fracture.
        None where the network returns none, as an imported one.
    input : ModelInput
        What the network saw.
    input_check : InputCheck or None
        None where the training inputs are not known, as of an imported network.
    milliseconds : float
        From the slice in memory to this prediction.
    """

    model: str
    probability: float
    threshold: float
    fold_probabilities: tuple[float, ...]
    heatmap: FloatImage | None = field(repr=False)
    input: ModelInput = field(repr=False)
    input_check: InputCheck | None
    milliseconds: float

    @property
    def label(self) -> str:
        return CLASS_NAMES[int(self.probability >= self.threshold)]
