"""Export and import of models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from spinefrac.exchange.threshold_agreement import ThresholdAgreement
from spinefrac.store import repository
from spinefrac.ui.models import transfer
from tests.ui.models.support import checked, page


def test_imports_need_the_servers_leave(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page()
    assert not app.file_uploader and any("models import" in code.value for code in app.code)
    monkeypatch.setenv("SPINEFRAC_ALLOW_IMPORT", "on")
    app = page()
    app.file_uploader[0].upload("../../x.keras", b"no keras file", "").run()
    checked(next(b for b in app.button if b.label == "Import").click().run())
    assert app.error and "Traceback" not in app.error[0].value
    assert sorted(m.id for m in repository.list_models()) == ["old", "phantom-demo", "second"]


def test_quantization_is_described_with_its_interval() -> None:
    loss = {
        "mean_difference": 0.012,
        "largest_difference": 0.2,
        "same_calls": 0.875,
        "agreement": asdict(ThresholdAgreement(6, 10, 2, 0, 5, 0.4, 2)),
        "slices": 16,
        "measured_on": "synthetic slices",
        "auc_difference": -0.01,
        "auc_interval": [-0.02, 0.005],
    }
    said = transfer.describe_quantization_loss(loss)
    assert "0.200 at most, on 16 slices (synthetic slices)." in said
    assert "Of 6 slices at or above the threshold 2 change their predicted class" in said
    assert said.endswith("AUC -0.010 (-0.020 to +0.005).")
    assert "AUC" not in transfer.describe_quantization_loss({**loss, "auc_interval": None})
