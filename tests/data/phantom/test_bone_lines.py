"""Lines in slices: on bone, dark, where the mask says, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.data.phantom import render
from spinefrac.data.phantom.bone_lines import draw_lines
from spinefrac.data.phantom.plan import get_difficulty
from spinefrac.imaging.bone_crop import find_bone_square
from spinefrac.records import CtSlice


def make_slice(patient: int, *, calibrated: bool) -> CtSlice:
    image = render(patient, 0, patients=8, slices=2, seed=4, size=256, fractured=False)
    return CtSlice(
        pixels=image.hu if calibrated else image.grey.astype(np.float32),
        calibrated=calibrated,
        format="dicom" if calibrated else "png",
        bits=16 if calibrated else 8,
        colour=False,
        spacing_mm=(image.spacing_mm, image.spacing_mm) if calibrated else None,
        window=None,
        slice_index=0,
        slice_count=1,
    )


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_lines_are_dark_on_bone_and_in_the_mask(calibrated, difficulty):
    shown = 0
    for patient in range(4):
        ct = make_slice(patient, calibrated=calibrated)
        before = ct.pixels.copy()
        lined = draw_lines(ct, get_difficulty(difficulty), np.random.default_rng(patient))
        assert np.array_equal(ct.pixels, before)
        if lined is None:  # no line would be seen
            continue
        shown += 1
        loss = ct.pixels - lined.pixels
        inside = lined.mask > 0
        assert inside.sum() >= 15 and loss.min() >= 0
        assert loss[inside].mean() >= (80 if calibrated else 7)
        assert loss[inside].mean() > 30 * loss[~inside].mean()
        bone = ct.pixels > (170 if calibrated else 85)
        assert bone[inside].mean() > 0.5
    assert shown >= 2


def test_the_same_generator_gives_the_same_lines():
    ct = make_slice(1, calibrated=True)
    one, other = (
        draw_lines(ct, get_difficulty("hard"), np.random.default_rng(2)) for _ in range(2)
    )
    assert one is not None and other is not None and np.array_equal(one.pixels, other.pixels)


def test_without_bone_there_is_no_line():
    ct = make_slice(0, calibrated=True)
    flat = np.minimum(ct.pixels, 60)
    empty = replace(ct, pixels=flat)
    assert draw_lines(empty, get_difficulty("easy"), np.random.default_rng(0)) is None


def test_lines_in_real_vertebrae_lie_on_bone(shared_data):
    paths = sorted((shared_data / "totalsegmentator-dicom").iterdir())[::7]
    assert paths
    for number, path in enumerate(paths):
        ct = imaging.read(path)
        lined = draw_lines(ct, get_difficulty("standard"), np.random.default_rng(number))
        assert lined is not None
        inside = lined.mask > 0
        assert (ct.pixels - lined.pixels)[inside].mean() >= 80
        assert np.median(ct.pixels[inside]) > 170
        square = find_bone_square(ct)
        rows, columns = np.nonzero(inside)
        assert square.top <= rows.min() and rows.max() < square.top + square.side
        assert square.left <= columns.min() and columns.max() < square.left + square.side
