"""Columns by which slices are divided into subgroups."""

import numpy as np

from spinefrac.store.evaluations import SlicePredictions
from spinefrac.ui.metrics import subgroups


def test_columns_come_from_group_path_and_data_set() -> None:
    predictions = SlicePredictions(
        paths=("a/x/1.PNG", "2"),
        groups=np.array(["p1", "p2"]),
        labels=np.array([0, 1]),
        probabilities=np.array([0.1, 0.9]),
        subgroups={"scanner": ("A", "B")},
    )
    assert subgroups.collect_columns(predictions) == {
        "group": ["p1", "p2"],
        "folder": ["a/x", "."],
        "file type": [".png", "none"],
        "scanner": ["A", "B"],
    }
