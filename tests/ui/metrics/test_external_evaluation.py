"""Models that were evaluated on other data than their own."""

from __future__ import annotations

from pathlib import Path

from spinefrac.store import evaluations, repository
from tests.ui.metrics.support import page, text


def test_an_imported_model_asks_to_be_measured(home: Path, imported: str) -> None:
    app = page(models=[imported])
    assert "has no out-of-fold predictions" in text(app)
    assert any(f"spinefrac evaluate {imported} FOLDER" in block.value for block in app.code)
    assert any(button.label == "Evaluate" for button in app.button)


def test_an_imported_model_that_was_measured_shows_it(home: Path, imported: str, tmp_path) -> None:
    from spinefrac.data import phantom
    from spinefrac.data.scan import scan
    from spinefrac.inference import external_evaluation
    from spinefrac.inference.predictor import Predictor
    from spinefrac.report import build_model_report, html

    before = html.render(build_model_report(repository.load(imported))).decode()
    assert "This model was imported" in before and "There is no external evaluation" in before
    phantom.write_phantom(tmp_path / "new", patients=4, slices=3, seed=2, size=256)
    entry, _ = external_evaluation.evaluate_external(
        Predictor(repository.load(imported)), scan(tmp_path / "new")
    )
    assert evaluations.list_evaluations(repository.load(imported)) == [entry]
    for view in ("Overview", "Calibration", "Subgroups", "Slices", "External evaluation"):
        app = page(models=[imported], view=view)
    assert "it is not known whether it was trained on these slices" in text(app)
    assert "Training curves" not in app.get("button_group")[0].proto.__str__()
    after = html.render(build_model_report(repository.load(imported))).decode()
    assert f"{entry.metrics.auc:.3f}" in after and "Out-of-fold" not in after
    page(models=[imported, "good"])
