"""Several models on the same slice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.app import click_sample, html, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_several_models_predict_the_same_slice(empty_home: Path, demonstration: Path) -> None:
    for name in ("phantom-demo", "another"):
        shutil.copytree(demonstration, empty_home / "models" / name)
    app = click_sample(run_page("predict"))
    app.multiselect(key="other-models").set_value(["another"]).run()
    assert not app.exception and not app.error
    shown = html(app)
    assert "All 2 models" in shown
    assert '<div class="sf-card-title">another</div>' in shown
    assert shown.count("Like the training slices.") == 2


def test_with_one_model_nothing_is_offered(empty_home: Path, demonstration: Path) -> None:
    shutil.copytree(demonstration, empty_home / "models" / "phantom-demo")
    app = click_sample(run_page("predict"))
    assert not app.multiselect
