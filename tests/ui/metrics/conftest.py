"""Models for the Metrics page, whose out-of-fold predictions are simulated.

They are copies of a real saved model, whose out-of-fold table is replaced and whose card gets a new
checksum, so that the page reads what it would read of any model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import pytest
import streamlit as st

from benchmarks.metrics_page import simulate_model, write_model_with
from spinefrac import settings
from spinefrac.store import card, repository
from tests.support.out_of_fold import FEW_PATIENTS, rsna_out_of_fold

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    source = settings.models_dir() / "phantom-demo"
    if not source.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    home = tmp_path_factory.mktemp("home")
    for name, skill in (("good", 2.0), ("alike", 2.0), ("poor", 0.3)):
        simulate_model(source, home / "models", name, rows=120, separation=skill)
    for patients in FEW_PATIENTS:
        oof = rsna_out_of_fold(patients)
        write_model_with(oof, source, home / "models" / f"few-{patients}", f"{patients:064}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(home))
        patch.syspath_prepend(str(ROOT))
        patch.chdir(ROOT)
        st.cache_resource.clear()
        yield home


@pytest.fixture(scope="module")
def imported(home: Path) -> str:
    """The good model as an import would leave it: without data, folds, answers and history."""
    source, folder = home / "models" / "good", home / "models" / "foreign"
    folder.mkdir()
    copyfile(source / repository.ONNX_FILE, folder / repository.ONNX_FILE)
    old = card.parse((source / repository.CARD_FILE).read_bytes())
    origin = card.Origin(
        "onnx", "theirs.onnx", "a" * 64, card.utc_now(), 1, "0…255", "logits", 1, 1, ()
    )
    changed = replace(
        old, id="foreign", data=None, folds=(), metrics=None, audit_verdict=None, origin=origin,
        input_reference=None,
        files={repository.ONNX_FILE: old.files[repository.ONNX_FILE]},
    )  # fmt: skip
    (folder / repository.CARD_FILE).write_bytes(card.dump(changed))
    return "foreign"
