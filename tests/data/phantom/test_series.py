"""Parameters of a phantom, and a slice as a picture."""

import numpy as np
import pytest

from spinefrac.data.phantom.export import Export
from spinefrac.data.phantom.series import PhantomSlice, Series
from spinefrac.errors import DatasetError
from spinefrac.imaging import apply_window


def test_an_unknown_variety_is_named():
    with pytest.raises(DatasetError, match="narrow or wide, not 'huge'"):
        Series(2, 2, 1, variety="huge")


def test_identifiers_of_dicom_files_do_not_depend_on_the_variety_that_there_was_before():
    assert repr(Series(2, 3, 1)) == (
        "Series(patients=2, slices=3, seed=1, difficulty='standard', size=512)"
    )


def test_a_slice_is_shown_through_its_window():
    hu = np.linspace(-1000, 1500, 256, dtype=np.float32).reshape(16, 16)
    mask = np.zeros((16, 16), np.uint8)
    shown = PhantomSlice(hu, mask, 0, 0.4, 2.0, "lumbar", "disc", Export(40, 400))
    assert np.array_equal(shown.grey, apply_window(hu, 40, 400))
    plain = PhantomSlice(hu, mask, 0, 0.4, 2.0, "lumbar", "disc")
    assert np.array_equal(plain.grey, apply_window(hu, 500, 2000))
