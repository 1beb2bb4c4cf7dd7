"""What a phantom is made of: the parameters of all slices, and one rendered slice."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from spinefrac.data.phantom import plan, scan_plan
from spinefrac.data.phantom.canvas import Field, Mask
from spinefrac.data.phantom.export import Export
from spinefrac.data.phantom.scan_plan import ScanPlan
from spinefrac.errors import DatasetError
from spinefrac.records import GreyImage

SIZES = (256, 512)

#: ``narrow``: adults, one kind of scan and the bone window, which figures are measured on.
#: ``wide``: everything is varied, to train networks that shall work elsewhere.
VARIETIES = ("narrow", "wide")


@dataclass(frozen=True)
class PhantomSlice:
    """A rendered slice and its ground truth.

    Attributes
    ----------
    hu : float32 array, shape (S, S)
    mask : uint8 array, shape (S, S)
        1 where the fracture is; empty where there is none.
    label : int
        1 fracture, 0 none.
    spacing_mm : float
        Side of a pixel.
    thickness_mm : float
        Distance of neighbouring slices.
    region, level : str
        Region of the spine, and level within the vertebra.
    vertebra : str
        Such as ``C5``; empty where slices are no scans.
    export : Export
        How the slice is made an 8-bit picture.
    """

    hu: Field
    mask: Mask
    label: int
    spacing_mm: float
    thickness_mm: float
    region: str
    level: str
    export: Export = field(default_factory=Export)
    vertebra: str = ""

    @property
    def grey(self) -> GreyImage:
        """The slice as an 8-bit picture, uint8 array of shape (S, S)."""
        return self.export.apply(self.hu)


@dataclass(frozen=True)
class Series:
    """The parameters of a phantom: every slice follows from these and its index.

    With `scans`, the slices of a patient are a scan: see `spinefrac.data.phantom.scan_plan`.
    """

    patients: int
    slices: int
    seed: int
    difficulty: str = "standard"
    size: int = 512
    # Not in the representation, from which identifiers of DICOM files are derived.
    variety: str = field(default="narrow", repr=False)
    scans: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        plan.get_difficulty(self.difficulty)
        if not 1 <= self.patients <= 9999 or not 1 <= self.slices <= 999:
            raise DatasetError(
                "a phantom has 1 to 9999 patients of 1 to 999 slices, not "
                f"{self.patients} of {self.slices}"
            )
        if self.seed < 0:
            raise DatasetError(f"a seed is 0 or more, not {self.seed}")
        if self.size not in SIZES:
            raise DatasetError(f"a phantom is 256 or 512 pixels wide, not {self.size}")
        if self.variety not in VARIETIES:
            valid = " or ".join(VARIETIES)
            raise DatasetError(f"the variety of a phantom is {valid}, not {self.variety!r}")
        if self.scans:
            self._check_scans()

    def _check_scans(self) -> None:
        if self.slices < scan_plan.MIN_SLICES:
            raise DatasetError(
                f"a scan of a phantom has at least {scan_plan.MIN_SLICES} slices, not "
                f"{self.slices}: ask for more slices"
            )
        if self.variety != "narrow":
            raise DatasetError(
                f"scans are made in the variety narrow, not {self.variety}: leave the variety out"
            )

    @property
    def labels(self) -> np.ndarray:
        """Label of every slice, int64 array of shape (patients, slices)."""
        if self.scans:
            return np.stack([self.plan_scan(patient).labels for patient in range(self.patients)])
        return _labels(self.patients, self.slices, self.seed)

    def plan_scan(self, patient: int) -> ScanPlan:
        """Return the ground truth of a patient's scan."""
        return scan_plan.plan_scan(self.patients, self.slices, self.seed, patient)


@functools.lru_cache(maxsize=4)
def _labels(patients: int, slices: int, seed: int) -> np.ndarray:
    table = plan.sample_labels(patients, slices, seed)
    table.flags.writeable = False
    return table
