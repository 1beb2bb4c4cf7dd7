"""The Hounsfield scale: the constants stand in one module, and fit what DICOM can store."""

from pathlib import Path

import numpy as np
import pytest

import spinefrac
from spinefrac.data import phantom
from spinefrac.imaging.hounsfield import (
    AIR_HU,
    BONE_WINDOW,
    MAX_HU,
    WINDOW_PRESETS,
    explain_implausible,
)
from spinefrac.records import Preprocessing


def test_the_range_is_that_of_twelve_bits():
    assert MAX_HU - AIR_HU == 2**12 - 1


def test_models_are_trained_on_the_bone_window_by_default():
    preprocessing = Preprocessing()
    assert (preprocessing.window_center, preprocessing.window_width) == BONE_WINDOW
    assert WINDOW_PRESETS["Bone"] == BONE_WINDOW


def test_no_other_module_states_the_bone_window():
    folder = Path(spinefrac.__file__).parent
    stated = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if "(500.0, 2000.0)" in path.read_text(encoding="utf-8")
    }
    assert stated == {"records.py"}


@pytest.fixture(scope="module")
def slice_hu() -> np.ndarray:
    return phantom.render(0, 2, patients=2, slices=5, seed=1, size=256).hu


def pad(hu: np.ndarray) -> np.ndarray:
    """Fill what is outside of a circular field, as scanners do."""
    y, x = np.mgrid[-1 : 1 : hu.shape[0] * 1j, -1 : 1 : hu.shape[1] * 1j]
    return np.where(np.hypot(x, y) > 1, -2000.0, hu)


def with_air(hu: np.ndarray) -> np.ndarray:
    """Put air around a slice."""
    air = np.random.default_rng(0).normal(-1000, 15, (2 * hu.shape[0], hu.shape[1]))
    air[: len(hu)] = hu
    return air


def window(hu: np.ndarray) -> np.ndarray:
    return np.clip((hu + 500) / 2000 * 255, 0, 255).round()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda hu: hu, ""),
        (lambda hu: hu[90:160, 90:160], ""),  # no air in it, but fat and noise
        (np.zeros_like, ""),
        (lambda hu: hu * 0 - 1024, ""),
        (lambda hu: np.clip(hu, -1024, 3071) + 1024, "none is below 0"),
        (lambda hu: pad(np.clip(hu, -1024, 3071) + 1024), "too many are as dense as bone"),
        (lambda hu: np.clip(hu, -1024, 3071) % 4096, "unsigned numbers of 12 bits"),
        (lambda hu: hu - 1024, "below air"),
        (lambda hu: 2 * hu, "below air"),
        (lambda hu: with_air(hu) / 2, "air seems to be at -"),
        (lambda hu: pad(hu), ""),
        (lambda hu: with_air(hu), ""),
        (lambda hu: np.where(hu > 150, 3000, hu), ""),  # a lot of metal
        (lambda hu: np.where(hu > 150, hu, 0), "none is below 0"),
        (window, "grey values of a window"),
        (lambda hu: window(hu) / 255, "small range"),
        (lambda hu: (hu - hu.mean()) / hu.std(), "small range"),
        (lambda hu: hu.astype(np.int16).view(np.uint16), "saved as unsigned"),
    ],
)
def test_values_that_cannot_be_hounsfield_units_are_named(slice_hu, change, cause):
    reason = explain_implausible(change(slice_hu).astype(np.float32))
    assert cause in reason and bool(reason) == bool(cause)
