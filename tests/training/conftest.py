"""A small data set that a network can learn in seconds: ellipses, half of them with a dark gap."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from spinefrac.records import Preprocessing
from spinefrac.training.settings import AugmentationConfig, TrainingSettings
from spinefrac.training.workspace import RunWorkspace

SIZE = 32


def slice_picture(seed: int, broken: bool) -> np.ndarray:
    """An oval of bone on soft tissue, uint8 (64, 64); a dark band through it where broken."""
    rng = np.random.default_rng(seed)
    picture = np.full((64, 64), 60, np.uint8)
    axes = tuple(int(v) for v in rng.integers(14, 22, 2))
    cv2.ellipse(picture, (32, 32), axes, float(rng.uniform(0, 180)), 0, 360, 200, -1)
    if broken:
        cv2.line(picture, (8, int(rng.integers(24, 40))), (56, int(rng.integers(24, 40))), 60, 5)
    noise = rng.normal(0, 6, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@contextmanager
def run_eagerly() -> Iterator[None]:
    """Run every training step as it comes, where a test takes a few of them.

    To trace a graph of the network `compact` takes seconds, a step by itself a fraction of one.
    Graphs, as users train, are in the tests that are marked slow.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def eager() -> Iterator[None]:
    """The test's training steps run eagerly."""
    with run_eagerly():
        yield


@pytest.fixture
def folder(tmp_path) -> Path:
    """Twelve patients with two slices of each class."""
    return write_slices(tmp_path / "slices")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 24 MB; skipped where none may be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here: that takes root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def write_slices(root: Path) -> Path:
    """Write what `folder` holds."""
    for name in ("fracture", "normal"):
        (root / name).mkdir(parents=True)
    for patient in range(12):
        for number in range(4):
            broken = number % 2 == 0
            path = root / ("fracture" if broken else "normal") / f"P{patient:02}_{number}.png"
            assert cv2.imwrite(str(path), slice_picture(10 * patient + number, broken))
    return root


def quick_settings() -> TrainingSettings:
    return TrainingSettings(
        network="compact",
        folds=2,
        epochs=2,
        batch_size=8,
        workers=1,
        line_steps=0,
        weights="none",
        learning_rate=2e-3,
        preprocessing=Preprocessing(size=SIZE, bone_crop=False),
        augmentation=AugmentationConfig(rotation=5),
    )


@pytest.fixture
def quick() -> TrainingSettings:
    """Settings that take seconds."""
    return quick_settings()


@pytest.fixture(scope="module")
def module_plan(tmp_path_factory) -> RunWorkspace:
    """48 slices of 12 patients in two folds."""
    pictures = [slice_picture(seed, broken=seed % 2 == 0) for seed in range(48)]
    small = [cv2.resize(p, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for p in pictures]
    patients = np.arange(48) // 4
    return RunWorkspace(
        folder=tmp_path_factory.mktemp("plan"),
        settings=quick_settings(),
        inputs=np.stack(small),
        labels=(np.arange(48) % 2 == 0).astype(np.int64),
        groups=np.array([f"P{p}" for p in patients]),
        folds=(patients % 2).astype(np.int64),
    )


@pytest.fixture
def plan(module_plan, tmp_path) -> RunWorkspace:
    """The same in a folder of its own."""
    return replace(module_plan, folder=tmp_path)
