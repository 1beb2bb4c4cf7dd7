"""How long the page Metrics takes on the server, for models with thousands of predictions.

    python -m benchmarks metrics_page

The models are copies of the default one with simulated out-of-fold tables and new cards. Times are
of the script of the page as Streamlit runs it, without network and browser, with all modules
imported and nothing of these models cached.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from spinefrac import settings
from spinefrac.evaluation import calibration, metrics, operating_point
from spinefrac.records import OutOfFoldPredictions
from spinefrac.store import card, repository

ROOT = Path(__file__).resolve().parents[1]
MODELS = 5
ROWS = 4000
SLICES = 12
SLIDER_MOVES = 9


def simulate_model(
    source: Path,
    models: Path,
    name: str,
    *,
    rows: int,
    separation: float,
    one_class: bool = False,
    fingerprint: str = "f" * 64,
) -> None:
    """Copy a saved model under another name, with simulated out-of-fold predictions.

    Parameters
    ----------
    source, models : Path
        The model's folder, and the folder to make the copy in.
    name : str
    rows : int
        Slices, `SLICES` of a patient.
    separation : float
        Half the distance of the classes' mean logits, in standard deviations of a slice.
    one_class : bool
        Whether every slice is without a fracture.
    fingerprint : str
        Of the data set; models of the same one have the same slices and labels.
    """
    labels, groups, logits = _simulate_logits(name, rows, separation, one_class)
    paths = tuple(
        f"{'fracture' if label else 'normal'}/{group}_{row:05}.png"
        for row, (label, group) in enumerate(zip(labels, groups, strict=True))
    )
    oof = OutOfFoldPredictions(
        paths=paths,
        groups=groups,
        labels=labels,
        folds=np.arange(rows) // SLICES % 5,
        logits=logits,
        probabilities=calibration.apply_temperature(logits, 1.0),
        pixel_hashes=tuple(hashlib.sha256(path.encode()).hexdigest() for path in paths),
    )
    write_model_with(oof, source, models / name, fingerprint)


def write_model_with(
    oof: OutOfFoldPredictions, source: Path, folder: Path, fingerprint: str = "f" * 64
) -> None:
    """Copy a saved model into a new folder, with other out-of-fold predictions and their card."""
    old = card.parse((source / repository.CARD_FILE).read_bytes())
    point = replace(old.operating_point, threshold=0.5)
    inputs = (oof.labels, oof.probabilities, oof.groups)
    if oof.labels.any():
        point = operating_point.choose_threshold(*inputs, n_resamples=0)
    folder.mkdir(parents=True)
    for part in old.files.keys() - {repository.OOF_FILE}:
        shutil.copyfile(source / part, folder / part)
    _write_out_of_fold(folder / repository.OOF_FILE, oof)
    table = card.FileRecord(*repository.hash_file(folder / repository.OOF_FILE))
    n_fracture = int(oof.labels.sum())
    new = replace(
        old,
        id=folder.name,
        data=replace(
            old.data,
            fingerprint=fingerprint,
            images=len(oof.paths),
            groups=len(set(oof.groups.tolist())),
            fracture=n_fracture,
            normal=len(oof.paths) - n_fracture,
        ),
        metrics=metrics.compute_metrics(*inputs, point.threshold, n_resamples=500),
        operating_point=point,
        calibration=card.Calibration(1.0, "simulated"),
        files={**old.files, repository.OOF_FILE: table},
    )
    (folder / repository.CARD_FILE).write_bytes(card.dump(new))


def _simulate_logits(
    name: str, rows: int, separation: float, one_class: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and groups, the same for every name, and logits of their own, each (rows,)."""
    groups = np.array([f"P{row // SLICES:04}" for row in range(rows)])
    labels = np.random.default_rng(0).integers(0, 2, rows) * (not one_class)
    rng = np.random.default_rng(sum(name.encode()))
    patient = np.repeat(rng.normal(0, 0.5, rows // SLICES + 1), SLICES)[:rows]
    return labels, groups, separation * (2 * labels - 1) + patient + rng.normal(0, 1, rows)


def _write_out_of_fold(path: Path, oof: OutOfFoldPredictions) -> None:
    """Write the table with its names, as versions before numbers did."""
    columns = {
        "path": oof.paths,
        "group": oof.groups,
        "label": oof.labels,
        "fold": oof.folds,
        "logit": oof.logits,
        "probability": oof.probabilities,
        "pixel_hash": oof.pixel_hashes or ("",) * len(oof.paths),
        **oof.subgroups,
    }
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def measure() -> list[tuple[str, str, str]]:
    """Measure, and return (what, value, target) for each."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    logging.getLogger("streamlit").setLevel(logging.ERROR)
    source = settings.models_dir() / repository.get_default_id()
    names = [f"model-{number}" for number in range(MODELS)]
    kept, folder = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory() as home:
        for number, name in enumerate(names):
            simulate_model(
                source, Path(home) / "models", name, rows=ROWS, separation=1 + number / 10
            )
        os.environ["SPINEFRAC_HOME"] = home
        os.chdir(ROOT)
        try:
            _time_page(AppTest, names)  # imports: a server makes them once, not once a page
            st.cache_resource.clear()
            several, first = _time_page(AppTest, names)
            assert not several.exception
            one, _ = _time_page(AppTest, names[:1])
            moves = []
            for number in range(SLIDER_MOVES):
                one.slider(key="t").set_value(round(0.3 + number / 20, 3))
                start = time.perf_counter()
                one.run()
                moves.append(1000 * (time.perf_counter() - start))
            assert not one.exception
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(kept)
    return [
        (
            f"Metrics page, {MODELS} models of {ROWS:,} predictions, first drawn, with comparison",
            f"{first:.2f} s",
            "1.0 s",
        ),
        (
            f"Metrics page, threshold moved, {ROWS:,} predictions (whole script, more than the "
            "fragment that the slider reruns)",
            f"{statistics.median(moves):.0f} ms",
            "100 ms",
        ),
    ]


def _time_page(app_test: type, names: list[str]) -> tuple:
    """Run the page for these models; return it and the seconds it took."""
    app = app_test.from_string(
        "from spinefrac.ui.app import run\nrun('metrics')", default_timeout=120
    )
    if names:
        app.query_params["models"] = names
    start = time.perf_counter()
    app.run()
    return app, time.perf_counter() - start
