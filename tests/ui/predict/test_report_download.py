"""The report on the selected slice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.app import click_sample, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_a_single_slice_has_no_choice_of_the_scope(demonstration: Path) -> None:
    app = click_sample(run_page("predict"))
    assert "Report" in [entry.label for entry in app.expander]
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels == ["HTML", "PDF", "JSON", "DICOM"]
    assert not [group for group in app.button_group if "This slice" in group.options]
