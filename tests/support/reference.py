"""A reference of the input check, fitted to features that are drawn and not computed."""

import numpy as np

from spinefrac.store.input_reference import FittedReference
from spinefrac.store.input_reference_fit import TrainingFeatures, fit_reference

SIZES = (4, 6)
_SIDE = 24


def sample_features(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Correlated features (count, 10)."""
    mixing = np.random.default_rng(99).normal(0, 1, (10, 10)) / 4 + np.eye(10)
    drawn = np.random.default_rng(seed).normal(shift, 1, (count, 10))
    return drawn @ mixing + 5


def sample_inputs(count: int, seed: int, noise: float = 8.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.normal(80, noise, (count, _SIDE, _SIDE))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def make_training(count: int = 400, *, is_shared: bool = True, seed: int = 0) -> TrainingFeatures:
    """Four slices a patient."""
    rows = np.arange(count)
    return TrainingFeatures(
        features=sample_features(count, seed),
        sizes=SIZES,
        inputs=sample_inputs(count, seed),
        groups=np.array([f"p{row // 4:03}" for row in rows]),
        labels=rows % 2,
        folds=rows // 4 % 5,
        probabilities=np.linspace(0, 1, count),
        is_shared=is_shared,
    )


def make_reference(count: int = 400) -> FittedReference:
    return fit_reference(make_training(count))
