"""How fast the phantom is written, and that a thumbnail does not solve it.

    python -m benchmarks phantom

1,000 slices of 512 × 512 are written as PNG. Then, at each difficulty, 120 patients of 12
slices (seed 7): logistic regression on 16 × 16 thumbnails, and on mean, standard deviation
and size of the image files, in 5 folds that keep patients whole.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spinefrac.data.phantom import write_phantom

DIFFICULTIES = ("easy", "standard", "hard")
THUMBNAIL = 16


def measure() -> list[tuple[str, str, str]]:
    """Measure; return (what, value, target) of each figure."""
    table = []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_phantom(Path(folder) / "speed", patients=100, slices=10, seed=7)
        seconds = time.perf_counter() - start
        what = f"phantom: 1,000 slices of 512×512 as PNG, {os.cpu_count()} cores"
        table.append((what, f"{seconds:.0f} s", "60 s"))
        for difficulty in DIFFICULTIES:
            out = Path(folder) / difficulty
            write_phantom(out, patients=120, slices=12, seed=7, difficulty=difficulty)
            for name, auc in measure_shortcuts(out).items():
                table.append((f"phantom {difficulty}: {name}, AUC", f"{auc:.2f}", "under 0.65"))
    return table


def measure_shortcuts(folder: Path) -> dict[str, float]:
    """Return the grouped out-of-fold AUC of each feature that should not solve a phantom."""
    truth = json.loads((folder / "phantom.json").read_text(encoding="utf-8"))["slices_truth"]
    labels = np.array([row["label"] for row in truth])
    patients = np.array([row["patient"] for row in truth])
    thumbnails, sums = [], []
    for row in truth:
        path = folder / row["path"]
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
        thumbnails.append(small.ravel())
        sums.append((image.mean(), image.std(), path.stat().st_size))
    return {
        "16×16 thumbnail": compute_grouped_auc(np.array(thumbnails), labels, patients),
        "mean, standard deviation, file size": compute_grouped_auc(
            np.array(sums), labels, patients
        ),
    }


def compute_grouped_auc(
    features: npt.NDArray[np.generic],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_],
) -> float:
    """Return the out-of-fold AUC of a logistic regression, patients kept whole."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(
        model, features, labels, groups=groups, cv=folds, method="decision_function"
    )
    return float(roc_auc_score(labels, scores))


if __name__ == "__main__":
    for line in measure():
        print(*line, sep="   ")
