"""Export and import of models."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest

from spinefrac.exchange import archive
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


def replace_card(packed: Path, content: bytes) -> bytes:
    """Return the ZIP of a model with another card."""
    changed = io.BytesIO()
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            target.writestr(name, content if name.endswith("card.json") else source.read(name))
    return changed.getvalue()


def test_damaged_models_are_refused_in_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINEFRAC_ALLOW_IMPORT", "on")
    packed = tmp_path / "a.zip"
    shutil.copytree(home / "models/phantom-demo", tmp_path / "export/model")
    archive.pack(tmp_path / "export", packed)
    card = json.loads((home / "models/phantom-demo/card.json").read_bytes())
    card["data"]["groups"] = "many"
    damaged = {
        "nested": replace_card(packed, b"[" * 100_000),
        "text in place of a number": replace_card(packed, json.dumps(card).encode()),
        "cut": packed.read_bytes()[:-200],
    }
    app = page()
    for content in damaged.values():
        app.file_uploader[0].clear().run()
        app.file_uploader[0].upload("a.zip", content, "").run()
        checked(next(b for b in app.button if b.label == "Import").click().run())
        (error,) = app.error
        assert "\n" not in error.value and "Unexpected" not in error.value
    assert sorted(m.id for m in repository.list_models()) == ["old", "phantom-demo", "second"]
