"""The whole way with scans: phantom, training on labels of scans, answers, and what is refused."""

import json
from pathlib import Path

import pytest

from spinefrac.report.model_report import build_model_report
from spinefrac.store import card_markdown, repository


@pytest.mark.slow
def test_from_labels_of_scans_to_one_answer_a_scan(run_json, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    made = ("--scans", "--patients", "12", "--slices", "12", "--seed", "5", "--size", "256")
    assert run_json("phantom", str(folder), *made)[0] == 0
    status, audit = run_json("audit", str(folder))
    assert status == 0 and audit["verdict"] != "unusable"
    assert not {"classes_from_own_groups", "leak_gap"} & {f["code"] for f in audit["findings"]}
    settings = ("--folds", "2", "--epochs", "1", "--size", "128")
    status, run = run_json("train", str(folder), "--name", "weak", *settings)
    assert status == 0 and run["unit"] == "scans"
    assert run["oof"]["n"] == run["oof"]["groups"] == 12
    assert run["scan_slices"]["slices"] == 144 and run["scan_slices"]["own_labels"] == 72

    model = repository.load("weak")
    assert model.is_of_scans and not model.has_slice_predictions
    oof = model.load_out_of_fold()
    assert oof.paths == tuple(f"P{patient:03}" for patient in range(12))
    assert "Each of the 12 scans was predicted" in card_markdown.render_markdown(model)
    assert build_model_report(model, folder, keep_names=True).elements

    status, found = run_json("predict", "--series", str(folder / "P000"), "--model", "weak")
    assert status == 0 and found[0]["slices"] == len(found[0]["probabilities"]) == 12
    assert found[0]["threshold"] == model.threshold
    assert found[0]["label"] == ("no fracture", "fracture")[found[0]["score"] >= model.threshold]

    for command in (("evaluate", "weak"), ("recalibrate", "weak")):
        extra = ("--name", "other") if command[0] == "recalibrate" else ()
        assert run_json(*command, str(folder), *extra) == (1, None)
    status, _ = run_json("train", str(folder), "--name", "no", "--network", "compact", *settings)
    assert status == 1

    # The same scans with labels of slices: those of the slices are measured.
    (folder / "labels-by-slice.csv").rename(folder / "labels.csv")
    status, run = run_json("train", str(folder), "--name", "strong", *settings)
    assert status == 0 and run["unit"] == "scans" and run["oof"]["n"] == 12
    assert run["scan_slices"]["own_labels"] == 144
    assert run["scan_slices"]["slice_auc"] > 0.5
    card = json.loads((repository.load("strong").path / "card.json").read_text())
    assert len(card["scan_metrics"]["froc"]) == 7
