"""The occlusion test as Streamlit runs it, and the image of the region."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from spinefrac.records import CtSlice, Square
from spinefrac.ui.predict import occlusion
from tests.support.app import html, run_prediction_parts

PARTS = """
from spinefrac.ui.predict import occlusion
occlusion.show_occlusion(model, ct, prediction, on_demand={on_demand})
"""


def test_the_result_has_the_original_and_39_random_regions(own_home: Path) -> None:
    shown = html(run_prediction_parts(PARTS.format(on_demand=False)))
    assert shown.count('<i class="random" style') == 39
    assert shown.count('<i class="original" style') == 1
    assert "original" in shown and "random region blurred" in shown


def test_in_a_series_it_waits_for_its_button(own_home: Path) -> None:
    app = run_prediction_parts(PARTS.format(on_demand=True))
    assert "sf-occlusion-scale" not in html(app)
    app.button(key="occlusion-run").click().run()
    assert "sf-occlusion-scale" in html(app)


def test_tests_at_once_leave_a_core_to_predictions(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, lock = 0, 0, threading.Lock()
    met = threading.Barrier(2)

    def note(*_: object) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with suppress(threading.BrokenBarrierError):
            met.wait(0.2)  # for a second test, which is not to come
        with lock:
            running -= 1
        return "result"

    monkeypatch.setattr(occlusion, "_places", threading.BoundedSemaphore(1))
    monkeypatch.setattr(occlusion.occlusion, "run_occlusion_test", note)
    with ThreadPoolExecutor(3) as pool:
        found = [
            pool.submit(occlusion._run_occlusion_test, None, "phantom-demo", "", str(number))
            for number in range(3)
        ]
        assert [one.result() for one in found] == ["result"] * 3
    assert most == 1


def test_the_region_is_cut_out_with_its_surroundings_and_a_box() -> None:
    ct = CtSlice(np.zeros((100, 100), np.float32), calibrated=True, format="dicom")
    image = occlusion._crop_region(ct, Square(top=40, left=40, side=20))
    assert image.shape == (60, 60, 3)
    assert tuple(image[20, 30]) == occlusion._BOX_COLOUR
    corner = occlusion._crop_region(ct, Square(top=0, left=0, side=20))
    assert corner.shape == (40, 40, 3)
