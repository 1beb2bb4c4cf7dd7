"""How long a prediction takes, cold and warm, and how much memory it needs.

    python -m benchmarks serving

The default model predicts on a synthetic DICOM slice of 512×512: by the command line in
a fresh process, and many times in one process from the file's bytes to the heat map. Each
process's time and peak memory are taken by a small parent, since a child starts with the peak
of the process that it was forked from.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

COLD_RUNS = 7
WARM_RUNS = 200
THREADS = 8

#: Runs a command and prints its seconds, its peak memory and its last line of output.
_PARENT = """
import json, os, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
seconds = time.perf_counter() - start
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
done.check_returncode()
print(json.dumps([seconds, peak / 1e6, done.stdout.decode()]))
"""


def measure_command(*command: str) -> tuple[float, float, str]:
    """Run a command; return its seconds, its peak memory in MB, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _PARENT, *command], stdout=subprocess.PIPE, check=True
    )
    seconds, peak, printed = json.loads(done.stdout)
    return seconds, peak, printed


def measure_warm_predictions(path: Path) -> dict[str, float]:
    """Predict on the same bytes repeatedly; return milliseconds and predictions a second."""
    from spinefrac import imaging
    from spinefrac.inference.predictor import get_predictor

    data = path.read_bytes()

    def predict(_: int = 0) -> float:
        start = time.perf_counter()
        get_predictor().predict(imaging.read(data, name=path.name))
        return 1000 * (time.perf_counter() - start)

    for _ in range(10):
        predict()
    times = [predict() for _ in range(WARM_RUNS)]
    with ThreadPoolExecutor(THREADS) as pool:
        barrier = threading.Barrier(THREADS)
        list(pool.map(lambda _: barrier.wait(), range(THREADS)))  # all threads have started
        start = time.perf_counter()
        list(pool.map(predict, range(WARM_RUNS)))
        rate = WARM_RUNS / (time.perf_counter() - start)
    return {"median": statistics.median(times), "rate": rate}


def measure() -> list[tuple[str, str, str]]:
    """Measure, and return (what, value, target) for each."""
    from spinefrac.data import phantom

    with tempfile.TemporaryDirectory() as folder:
        phantom.write_phantom(folder, patients=2, slices=2, seed=7, format="dicom")
        path = sorted(Path(folder).rglob("*.dcm"))[0]
        command = (sys.executable, "-m", "spinefrac", "predict", str(path), "--json")
        cold = [measure_command(*command) for _ in range(COLD_RUNS)]
        _, warm_peak, printed = measure_command(sys.executable, __file__, str(path))
    warmed = json.loads(printed)
    seconds = statistics.median(run[0] for run in cold)
    return [
        ("`spinefrac predict` on one DICOM, cold, whole process", f"{seconds:.2f} s", "1.5 s"),
        (
            "one prediction with heat map, warm, DICOM bytes to result",
            f"{warmed['median']:.1f} ms",
            "25 ms",
        ),
        (f"predictions a second, {THREADS} threads", f"{warmed['rate']:.0f}", "reported"),
        ("memory of `spinefrac predict`", f"{max(run[1] for run in cold):.0f} MB", "300 MB"),
        (f"memory of a warm process with {THREADS} threads", f"{warm_peak:.0f} MB", "300 MB"),
    ]


if __name__ == "__main__":
    print(json.dumps(measure_warm_predictions(Path(sys.argv[1]))))
