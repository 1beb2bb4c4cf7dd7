"""The labels of phantom scans agree with the ground truth, whatever they are of."""

import csv
import json

from spinefrac.data.phantom.write import write_phantom


def test_the_tables_agree_with_the_ground_truth(tmp_path):
    written = tmp_path / "scans"
    write_phantom(written, patients=2, slices=12, seed=4, size=256, scans=True, workers=1)
    truth = json.loads((written / "phantom.json").read_text())["slices_truth"]
    labels = {row["path"]: row["label"] for row in truth}
    with (written / "labels-by-slice.csv").open() as stream:
        for row in csv.DictReader(stream):
            for number in range(int(row["first"]), int(row["last"]) + 1):
                path = f"{row['study']}/{row['study']}_{number - 1:02}.png"
                assert labels.pop(path) == (row["label"] == "fracture")
    assert not labels
    with (written / "labels-by-level.csv").open() as stream:
        fractured = {row["level"] for row in csv.DictReader(stream) if row["label"] == "fracture"}
    assert fractured == {row["vertebra"] for row in truth if row["label"]}
