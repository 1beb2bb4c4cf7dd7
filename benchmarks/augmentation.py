"""How long the preview of the augmentation takes, and its share of a training step.

python -m benchmarks augmentation
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from spinefrac import imaging
from spinefrac.records import Preprocessing
from spinefrac.training.augmentation import diagnostics
from spinefrac.training.augmentation.config import PRESETS, AugmentationConfig
from spinefrac.ui.augmentation import views
from spinefrac.ui.augmentation.source import PreviewSlice

SAMPLE = Path(__file__).resolve().parents[1] / "spinefrac/ui/samples/fracture-1.dcm"
BATCH, SIDE, STEPS = 32, 160, 12


def measure() -> list[tuple[str, str, str]]:
    """Measure; return (what, value, target) of each figure."""
    return [*_time_grids(), *_time_diagnostics(), *_measure_step_share()]


def _time_grids() -> list[tuple[str, str, str]]:
    """Time a grid from the slice to the HTML that is sent, by the page's own function."""
    from streamlit import logger

    logger.set_log_level("CRITICAL")  # it warns that there is no browser
    # In this thread alone, so that its time is the whole time.
    cv2.setNumThreads(1)
    ct = imaging.read(SAMPLE)
    table = []
    for side, name, target in (
        (512, "standard", "150 ms"),
        (512, "strong", "150 ms"),
        (160, "standard", "reported"),
    ):
        preprocessing = Preprocessing(size=side)
        shown = PreviewSlice(ct, imaging.to_input(ct, preprocessing).pixels, preprocessing)
        for mode in (
            views.DISPLAY_MODES if side == 512 and name == "strong" else views.DISPLAY_MODES[:1]
        ):
            cpu, wall = _time_median(
                lambda s=shown, n=name, m=mode: views.show_grid(s, PRESETS[n], 0, m), 9
            )
            what = f"augmentation: grid of 24 at {side}×{side}, {name}, {mode.lower()}"
            table.append((f"{what} (waiting included: {wall:.0f} ms)", f"{cpu:.0f} ms", target))
    return table


def _time_diagnostics() -> list[tuple[str, str, str]]:
    """Time the warnings after one slider moved; the other transforms are cached."""
    seen = Preprocessing()
    diagnostics.measure_effects(AugmentationConfig(), seen)
    ranges = iter(np.linspace(16, 40, 7).tolist())
    cpu, wall = _time_median(
        lambda: diagnostics.measure_effects(AugmentationConfig(rotation=next(ranges)), seen), 6
    )
    what = f"augmentation: warnings after a slider moved (waiting included: {wall:.0f} ms)"
    return [(what, f"{cpu:.0f} ms", "reported")]


def _time_median(function: Callable[[], object], repetitions: int) -> tuple[float, float]:
    """Return the median milliseconds of processor time of this thread, and of wall time."""
    function()
    times = []
    for _ in range(repetitions):
        started, worked = time.perf_counter(), time.thread_time()
        function()
        times.append((time.thread_time() - worked, time.perf_counter() - started))
    cpu, wall = 1000 * np.median(times, axis=0)
    return float(cpu), float(wall)


def _measure_step_share() -> list[tuple[str, str, str]]:
    """Train in a new process with one thread; return the share of augmentation in a step."""
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1"),
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    table = []
    for name in ("standard", "strong"):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"from benchmarks import augmentation as a; a.time_step({name!r})",
            ],
            cwd=Path(__file__).resolve().parents[1],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        augmenting, whole = map(float, done.stdout.split()[-2:])
        table.append(
            (
                f"augmentation: share of a step, batch {BATCH}, {SIDE}×{SIDE}, one thread, {name} "
                f"({augmenting:.0f} of {whole:.0f} ms)",
                f"{100 * augmenting / whole:.1f} %",
                "at most 10 %",
            )
        )
    return table


def time_step(name: str) -> None:
    """Print the median milliseconds of work of a step's augmentation and of the whole step."""
    import keras

    from spinefrac.training import networks
    from spinefrac.training.augmentation.transforms import Augmenter

    cv2.setNumThreads(1)
    model = networks.build_network("compact", SIDE, fused_batch_norm=True)
    model.compile(keras.optimizers.AdamW(1e-3), keras.losses.BinaryCrossentropy(True))
    ct = imaging.read(SAMPLE)
    pixels = imaging.to_input(ct, Preprocessing(size=SIDE)).pixels
    labels = (np.arange(BATCH) % 2).astype(np.float32)[:, None]
    augmenter = Augmenter(PRESETS[name], 0)
    augmenting, whole = [], []
    for epoch in range(STEPS + 2):
        started = time.process_time()
        batch = np.stack([augmenter(pixels, epoch, index) for index in range(BATCH)])
        between = time.process_time()
        images = batch[..., None].astype(np.float32)
        model.train_on_batch(images, labels, return_dict=True)
        augmenting.append(1000 * (between - started))
        whole.append(1000 * (time.process_time() - started))
    # The first two build the graph.
    print(np.median(augmenting[2:]), np.median(whole[2:]))
