"""The empty page Train: three ways to a data set, and the one that is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.train.support import page, text


def test_three_buttons_and_what_follows(root: Path) -> None:
    app = page()
    assert [one.label for one in app.button] == [
        "Use my folder", "Upload slices", "Make a synthetic set",
    ]  # fmt: skip
    assert "predict with the new model, and share it" in text(app)
    assert not app.file_uploader and not app.select_slider


@pytest.mark.parametrize(
    ("way", "shown"),
    [("folder", "use-folder"), ("upload", "dataset-save"), ("synthetic", "train-synthetic")],
)
def test_a_way_opens_below_the_buttons(root: Path, way: str, shown: str) -> None:
    app = page()
    app.button(key=f"way-{way}").click().run()
    assert not app.exception and not app.error
    assert shown in [one.key for one in app.button]
