"""Findings about a series, from positions and geometries alone."""

import numpy as np
import pytest

from spinefrac.imaging.geometry import SliceGeometry
from spinefrac.imaging.series_findings import (
    find_plane_findings,
    find_spacing_findings,
    find_split_findings,
    find_tilt_findings,
)


def spacing_codes(*positions: float) -> dict[str, tuple[int, ...]]:
    steps = np.diff(positions)
    forward = steps[steps > 0.01]
    step = float(np.median(forward)) if forward.size else None
    return {f.code: f.slices for f in find_spacing_findings(steps, step)}


def test_even_slices_have_no_findings():
    assert spacing_codes(*np.arange(0, 10, 0.7).tolist()) == {}


def test_gaps_repeated_positions_and_uneven_steps():
    assert spacing_codes(0, 1, 2, 5, 6) == {"missing": (3,)}
    assert spacing_codes(0, 1, 1, 2) == {"repeated": (3,)}
    assert spacing_codes(0, 1, 2.3, 3.3, 4.3).keys() == {"uneven"}
    assert spacing_codes(3, 3) == {"repeated": (2,)}


def geometry(y: float, z: float, tilt: float | None = None) -> SliceGeometry:
    return SliceGeometry(
        position_mm=(0, y, z),
        row_cosines=(1, 0, 0),
        column_cosines=(0, 1, 0),
        gantry_tilt_degrees=tilt,
    )


@pytest.mark.parametrize(
    ("shift", "stated", "message"),
    [(0, None, None), (10, None, "tilted by 5.7°"), (0, 12.5, "state a gantry tilt of 12.5°")],
)
def test_tilt(shift, stated, message):
    found = find_tilt_findings(geometry(0, 0, stated), geometry(shift, 100, stated))
    assert len(found) == (message is not None)
    assert all(message in finding.message for finding in found)


def test_localizers_and_other_geometries_of_the_same_series():
    (localizer,) = find_split_findings(SliceGeometry(is_localizer=True), 0, 0)
    assert localizer.code == "localizer"
    assert find_split_findings(SliceGeometry(), 0, 0) == []
    geometry, phase = find_split_findings(SliceGeometry(), 4, 1)
    assert "4 slices of another orientation" in geometry.message
    assert "1 slice of another acquisition" in phase.message


def test_slices_of_another_plane_are_named():
    sagittal = SliceGeometry(row_cosines=(0, 1, 0), column_cosines=(0, 0, -1))
    (finding,) = find_plane_findings(sagittal)
    assert finding.code == "plane" and "are sagittal" in finding.message
    assert not find_plane_findings(SliceGeometry())
    assert not find_plane_findings(SliceGeometry(row_cosines=(1, 0, 0), column_cosines=(0, 1, 0)))
