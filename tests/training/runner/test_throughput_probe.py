"""A few batches are trained on noise, and their rate is recorded."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from spinefrac.training import runs


@pytest.mark.slow
@pytest.mark.parametrize(("network", "weights"), [("compact", "none"), ("lite0", "imagenet")])
def test_the_rate_that_was_measured_gives_an_estimate(home, quick, network, weights) -> None:
    settings = replace(quick, network=network, weights=weights)
    assert runs.estimate_duration(100, settings) is None
    module = "spinefrac.training.runner.throughput_probe"
    command = [sys.executable, "-m", module, json.dumps(settings.to_dict())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    estimate = runs.estimate_duration(100, settings)
    assert estimate is not None and estimate.low <= estimate.seconds <= estimate.high
