"""A few batches are trained where no run has measured a rate."""

import pytest

from spinefrac.training import runs
from tests.support.watch import wait_until


@pytest.mark.slow
def test_a_few_batches_are_tried_where_nothing_is_known(folder, quick):
    assert runs.estimate_duration(100, quick) is None and not runs.is_probe_running()
    assert runs.start_throughput_probe(quick) and not runs.start_throughput_probe(quick)
    wait_until(lambda: not runs.is_probe_running())
    assert runs.estimate_duration(100, quick).seconds > 0
