"""The Hounsfield scale: the constants stand in one module, and fit what DICOM can store."""

from pathlib import Path

import spinefrac
from spinefrac.imaging.hounsfield import AIR_HU, BONE_WINDOW, MAX_HU, WINDOW_PRESETS
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
