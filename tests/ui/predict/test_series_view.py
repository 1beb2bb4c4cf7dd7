"""A volume on the page: the slider moves through its slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spinefrac.data import phantom
from tests.support.app import html, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_the_slider_moves_through_a_volume(demonstration: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    depth = 6
    image = phantom.render(0, 0, patients=2, slices=depth, seed=5, difficulty="easy", size=256)
    voxels = np.stack([image.hu.T[:, ::-1]] * depth, axis=2).astype(np.int16)
    volume = nibabel.Nifti1Image(voxels, np.diag([0.5, 0.5, 3.0, 1.0]))
    app = run_page("predict")
    app.file_uploader[0].upload("volume", volume.to_bytes(), "").run()
    assert not app.exception
    assert not app.error
    slider = app.slider(key="slice-2")
    assert (slider.min, slider.max, slider.value) == (1, depth, depth // 2 + 1)
    slider.set_value(1).run()
    assert "Probability of fracture" in html(app)
