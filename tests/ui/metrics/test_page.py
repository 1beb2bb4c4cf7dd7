"""The Metrics page run as Streamlit runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from benchmarks.metrics_page import simulate_model
from spinefrac.evaluation.scans.scan_metrics import ScanMetrics
from spinefrac.store import card, repository
from tests.support.out_of_fold import FEW_PATIENTS
from tests.ui.metrics.support import checked, page, text


@pytest.mark.parametrize(
    "view", ["Overview", "Calibration", "Training curves", "Subgroups", "Slices"]
)
def test_every_view_of_one_model_draws(home: Path, view: str) -> None:
    app = page(models=["good"], view=view)
    assert "The data set was audited; nothing was found" in text(app)
    charts = {"Overview": 3, "Calibration": 2, "Training curves": 2}.get(view, 0)
    assert len(app.get("plotly_chart")) == charts


@pytest.mark.parametrize("patients", FEW_PATIENTS)
@pytest.mark.parametrize("view", ["Overview", "Calibration", "Subgroups", "Slices"])
def test_every_view_of_few_patients_draws(home: Path, view: str, patients: int) -> None:
    """`page` looks for numbers that are none."""
    app = page(models=[f"few-{patients}"], view=view)
    charts = {"Overview": 3, "Calibration": 2}.get(view, 0)
    assert len(app.get("plotly_chart")) == charts
    if view == "Subgroups":
        column = app.selectbox(key="column")
        assert {"scanner", "size"} <= set(column.options)
        tables = [table.value for table in checked(column.set_value("scanner").run()).dataframe]
        assert any({"maker A", "maker B"} <= set(table.iloc[:, 0]) for table in tables)


@pytest.mark.parametrize(
    "side", ["Table", "Calibration", "Differences", "Disagreement", "Settings"]
)
def test_every_view_of_several_models_draws(home: Path, side: str) -> None:
    app = page(models=["good", "poor"], side=side)
    charts = {"Table": 2, "Calibration": 2, "Differences": 1, "Disagreement": 1}.get(side, 0)
    assert len(app.get("plotly_chart")) == charts


def test_the_report_is_offered(home: Path) -> None:
    labels = [button.proto.label for button in page(models=["good"]).get("download_button")]
    assert {"Download report (HTML)", "Download report (PDF)"} <= set(labels)


def test_the_address_holds_the_view(home: Path) -> None:
    app = page(models=["poor"], view="Slices", show="False negatives (missed fractures)", t="0.9")
    assert app.multiselect(key="models").value == ["poor"]
    assert app.slider(key="t").value == pytest.approx(0.9)
    oof = repository.load("poor").load_out_of_fold()
    missed = int(((oof.labels == 1) & (oof.probabilities < 0.9)).sum())
    assert f"{missed} slices: false negatives (missed fractures)" in text(app)


def test_models_of_different_data_are_not_compared(home: Path) -> None:
    source = home / "models" / "good"
    simulate_model(
        source, home / "models", "stranger", rows=40, separation=1.0, fingerprint="e" * 64
    )
    app = page(models=["good", "stranger"])
    assert "have no predictions on the same slices" in text(app)
    assert any("spinefrac compare good stranger --data FOLDER" in c.value for c in app.code)


def test_one_class_is_said_and_nothing_breaks(home: Path) -> None:
    source = home / "models" / "good"
    simulate_model(source, home / "models", "one-class", rows=40, separation=1.0, one_class=True)
    for view in ("Overview", "Calibration", "Subgroups", "Slices"):
        app = page(models=["one-class"], view=view)
    app = page(models=["one-class"])
    assert "not defined" in text(app) and "of the class" in text(app)


def test_a_model_of_scans_names_its_unit_and_has_no_view_of_slices(home: Path) -> None:
    folder = home / "models" / "by-scan"
    copytree(home / "models" / "good", folder)
    known = ScanMetrics(
        slices=2880, own_labels=1440, slice_auc=None, sensitivity_at_false_alarms=None,
        rsna_log_loss=0.25,
    )  # fmt: skip
    changed = replace(repository.load("good").card, id="by-scan", scan_metrics=known)
    (folder / repository.CARD_FILE).write_bytes(card.dump(changed))
    app = page(models=["by-scan"], view="Slices")  # of an address that was kept
    views = app.get("button_group")[0].proto.options
    assert {"Overview", "Subgroups"} <= {view.content for view in views}
    assert not {"Slices", "External evaluation"} & {view.content for view in views}
    shown = text(app).replace("\\", "")  # of Markdown
    assert "Out-of-fold predictions for 120 scans from" in shown
    assert "of 2,880, none with a fracture has a label of its own" in shown
    assert all(b.disabled for b in app.button if str(b.key).startswith("confusion-cell"))
    page(models=["by-scan", "good"])
