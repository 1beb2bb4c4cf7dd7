"""From the logits of slices to predictions of scans: calibrated, pooled, measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac.errors import TrainingError
from spinefrac.records import Dataset, Item, OutOfFoldPredictions
from spinefrac.training.bags import NO_BAG
from spinefrac.training.runner import scan_results
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workspace import RunWorkspace

SCANS, SLICES = 24, 12
FRACTURED = slice(4, 9)


def make_dataset(bag: str = "scan") -> Dataset:
    """Return scans of which every other one is fractured; labels of scans, or of slices."""
    items = []
    for scan in range(SCANS):
        for number in range(1, SLICES + 1):
            shown = scan % 2 == 1 and number - 1 in range(SLICES)[FRACTURED]
            label = int(scan % 2 if bag else shown)
            name = f"S{scan:02}"
            items.append(
                # By path 10 comes before 2: rows are not in the order of the slices.
                Item(f"{name}/{number}.png", label, name, pixel_hash=f"{scan}-{number}",
                     position=number, scan=name, bag=name if bag else "")
            )  # fmt: skip
    return Dataset(Path("/set"), tuple(sorted(items, key=lambda item: item.path)), "", "f")


def predict(dataset: Dataset) -> OutOfFoldPredictions:
    rng = np.random.default_rng(1)
    shown = [
        int(item.scan[1:]) % 2 == 1 and item.position - 1 in range(SLICES)[FRACTURED]
        for item in dataset.items
    ]
    logits = 8 * np.array(shown) - 4 + rng.normal(size=len(shown))
    return OutOfFoldPredictions(
        paths=dataset.paths,
        groups=dataset.groups,
        labels=dataset.labels,
        folds=np.array([int(item.scan[1:]) % 4 // 2 for item in dataset.items]),
        logits=logits,
        probabilities=np.full(len(shown), np.nan),
        pixel_hashes=tuple(item.pixel_hash for item in dataset.items),
        positions=dataset.positions,
        subgroups={"size": ("256×256",) * len(shown), "series": dataset.paths},
    )


def test_a_scan_is_one_row_with_the_score_of_its_series():
    dataset = make_dataset()
    found = scan_results.collect_results(predict(dataset), dataset)
    scans = found.scans
    assert scans.paths == tuple(f"S{scan:02}" for scan in range(SCANS))
    assert scans.labels.tolist() == [scan % 2 for scan in range(SCANS)]
    assert scans.groups.tolist() == list(scans.paths) and set(scans.subgroups) == {"size"}
    assert len(set(scans.pixel_hashes)) == SCANS
    assert scans.probabilities[1::2].min() > 0.8 and scans.probabilities[::2].max() < 0.5
    np.testing.assert_allclose(scans.probabilities, 1 / (1 + np.exp(-scans.logits)))
    rows = [row for row, item in enumerate(dataset.items) if item.scan == "S03"]
    rows.sort(key=lambda row: dataset.items[row].position)
    means = np.convolve(found.slices.probabilities[rows], np.ones(3) / 3, "valid")
    assert scans.probabilities[3] == pytest.approx(means.max())


def test_a_fold_is_calibrated_with_the_temperature_of_the_others():
    dataset = make_dataset()
    slices = predict(dataset)
    before = scan_results.collect_results(slices, dataset).slices
    wild = np.where(slices.folds == 0, 3 * slices.logits, slices.logits)
    after = scan_results.collect_results(replace(slices, logits=wild), dataset).slices
    # Fold 0 is read with the temperature of fold 1, which did not change.
    rows = slices.folds == 0
    ratios = [
        np.log(found.probabilities[rows] / (1 - found.probabilities[rows])) / logits[rows]
        for found, logits in ((before, slices.logits), (after, wild))
    ]
    np.testing.assert_allclose(*ratios, rtol=1e-6)


def test_slices_are_measured_where_their_labels_are_their_own():
    weak = make_dataset()
    found = scan_results.measure_slices(scan_results.collect_results(predict(weak), weak), weak)
    # Slices of scans without a fracture have none, those of the others are not known.
    assert (found.slices, found.own_labels) == (SCANS * SLICES, SCANS * SLICES // 2)
    assert found.slice_auc is None and found.sensitivity_at_false_alarms is None
    strong = make_dataset(bag="")
    found = scan_results.measure_slices(
        scan_results.collect_results(predict(strong), strong), strong
    )
    assert found.own_labels == SCANS * SLICES
    assert found.slice_auc == 1.0 == found.sensitivity_at_false_alarms


def test_baselines_are_pooled_in_the_same_order():
    dataset = make_dataset()
    slices = predict(dataset)
    scores = [float(item.scan[1:]) + item.position / 100 for item in dataset.items]
    pooled = scan_results.pool_baselines({"thumbnails": scores}, slices, dataset)
    assert np.argsort(pooled["thumbnails"]).tolist() == list(range(SCANS))


def test_bags_are_numbered_and_refused_by_networks_that_follow_a_gradient():
    weak, settings = make_dataset(), TrainingSettings()
    numbers = scan_results.number_bags(weak, settings)
    assert numbers is not None and len(set(numbers[:, 0])) == SCANS
    strong = make_dataset(bag="")
    assert scan_results.number_bags(strong, TrainingSettings(network="compact")) is None
    mixed = replace(weak, items=(replace(weak.items[0], bag=""), *weak.items[1:]))
    found = scan_results.number_bags(mixed, settings)
    assert found is not None and found[0, 0] == NO_BAG != found[1, 0]
    with pytest.raises(TrainingError, match="teach the networks lite0 and compact_lite0 without"):
        scan_results.number_bags(weak, TrainingSettings(network="compact"))


def test_bags_reach_the_processes_of_the_folds(tmp_path):
    dataset = make_dataset()
    bags = scan_results.number_bags(dataset, TrainingSettings())
    RunWorkspace(
        folder=tmp_path,
        settings=TrainingSettings(folds=2),
        inputs=np.zeros((len(dataset.items), 4, 4), np.uint8),
        labels=dataset.labels,
        groups=dataset.groups,
        folds=predict(dataset).folds,
        bags=bags,
    ).write()
    found = RunWorkspace.read(tmp_path)
    assert np.array_equal(found.bags, bags)
    assert len(found.collect_units(np.arange(len(bags))).bags) == SCANS
