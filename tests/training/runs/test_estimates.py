"""How long a run will take, by the rates that earlier ones reached."""

from dataclasses import replace

import pytest

from spinefrac.training import runs
from spinefrac.training.runs import database, estimates
from tests.support.runs import submit


def test_an_estimate_comes_from_what_was_measured_here(folder, quick):
    submit(folder, quick)
    quick = replace(quick, workers=2)
    assert runs.estimate_duration(100, quick) is None
    with database.write_transaction() as connection:
        estimates.record_rate(connection, quick, 50.0, 6.0)
    estimate = runs.estimate_duration(100, quick)
    # Images, epochs, k-1 folds, two of which train side by side; and what every run takes.
    assert estimate.seconds == pytest.approx(100 * 2 * 1 / 100.0 + 6)
    assert estimate.low < estimate.seconds < estimate.high and "100 images" in estimate.basis
    larger = replace(quick, preprocessing=replace(quick.preprocessing, size=64))
    assert runs.estimate_duration(100, larger).seconds == pytest.approx(4 * 2 + 6)
