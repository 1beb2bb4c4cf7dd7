"""A model whose classes lie far apart: from its out-of-fold predictions a band can be promised."""

from __future__ import annotations

from pathlib import Path

from benchmarks.metrics_page import simulate_model
from spinefrac.store import repository
from spinefrac.store.repository import SavedModel

SOURCE = Path(__file__).resolve().parents[2] / "models" / "phantom-demo"
NAME = "separable"


def save_separable_model(home: Path) -> SavedModel:
    """Save such a model in `home`, which is HOME from then on: the caller sets it."""
    simulate_model(SOURCE, home / "models", NAME, rows=1200, separation=2.0)
    return repository.load(NAME)
